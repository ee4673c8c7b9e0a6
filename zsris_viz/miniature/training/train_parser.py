"""Training of the built-in parser: `python -m zsris_viz.miniature train parser --treebank FOLDER`.

A small spaCy pipeline (shared hash embeddings with a window encoder; tagger, morphologizer for the coarse parts of
speech, trainable lemmatizer, transition parser) learns from three sources: a treebank in CLEAR style
(:mod:`.treebank`), fragments in the style of typed queries (:mod:`.fragments`), and expressions of the drawn world
with their gold trees. Treebank sentences are repeated in lower case and without their final stop, because referring
expressions are written in that way.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from zsris_viz.language.parser import Parser
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.fragments import FragmentMaker, from_gold_tree
from zsris_viz.miniature.training.measure_parser import (
    HELD_OUT,
    STYLE,
    make_example,
    measure,
    read_style,
    score_treebank,
    write_card,
)
from zsris_viz.miniature.training.treebank import load_split
from zsris_viz.miniature.training.ud_to_clear import UdWord

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.training import Example

#: Where the shipped pipeline lies.
SHIPPED = WEIGHTS / "parser"
#: Drawn-world expressions for training are made with seeds from here on; held-out ones with smaller seeds.
SCENES_SEED = 1_000_000


@dataclass(frozen=True)
class ParserRecipe:
    """Hold every hyperparameter of a training run.

    Attributes:
        width: Width of the shared encoder.
        depth: Number of layers of the shared encoder.
        rows: Hash rows for the word, its first letter, its last three letters, and its shape.
        hidden: Hidden units of the transition parser.
        epochs: Passes over the treebank.
        batch: Words in a batch at the start and at the end of the training.
        learn_rate: Learning rate after `warmup` steps; it then decreases nearly to 0 along a cosine.
        lowered: Share of treebank sentences that are repeated in lower case and without the final stop.
        fragments: Number of generated fragments mixed into each epoch.
        scenes: Number of drawn-world expressions mixed into each epoch.
    """

    width: int = 96
    depth: int = 4
    rows: tuple[int, ...] = (5000, 1000, 2500, 1500)
    hidden: int = 64
    epochs: int = 7
    dropout: float = 0.15
    learn_rate: float = 0.0015
    warmup: int = 100
    batch: tuple[int, int] = (500, 1500)
    lowered: float = 0.25
    fragments: int = 5000
    scenes: int = 2000
    seed: int = 0


def build_pipeline(recipe: ParserRecipe) -> Language:
    """Return the untrained pipeline."""
    import spacy

    nlp = spacy.blank("en")
    nlp.meta["name"] = "zsris_viz_parser"
    nlp.meta["license"] = "CC BY-SA 4.0"
    nlp.meta["description"] = "Parser of English referring expressions; see card.md"
    nlp.meta["spacy_version"] = ">=3.8.2,<3.9.0"  # the range of pyproject.toml, in which all parses are the same
    nlp.add_pipe(
        "tok2vec",
        config={
            "model": {
                "@architectures": "spacy.Tok2Vec.v2",
                "embed": {
                    "@architectures": "spacy.MultiHashEmbed.v2",
                    "width": recipe.width,
                    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
                    "rows": list(recipe.rows),
                    "include_static_vectors": False,
                },
                "encode": {
                    "@architectures": "spacy.MaxoutWindowEncoder.v2",
                    "width": recipe.width,
                    "depth": recipe.depth,
                    "window_size": 1,
                    "maxout_pieces": 3,
                },
            }
        },
    )
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": recipe.width}
    labeller = {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}
    nlp.add_pipe("tagger", config={"model": labeller})
    nlp.add_pipe("morphologizer", config={"model": labeller})
    nlp.add_pipe("trainable_lemmatizer", name="lemmatizer", config={"model": labeller, "min_tree_freq": 5, "top_k": 3})
    nlp.add_pipe(
        "parser",
        config={
            "min_action_freq": 20,
            "model": {
                "@architectures": "spacy.TransitionBasedParser.v2",
                "state_type": "parser",
                "extra_state_tokens": False,
                "hidden_width": recipe.hidden,
                "maxout_pieces": 2,
                "use_upper": True,
                "tok2vec": listener,
            },
        },
    )
    return nlp


def as_typed(words: Sequence[UdWord]) -> list[UdWord]:
    """Return the sentence as a user types it, in lower case and without a final stop."""
    words = [replace(word, text=word.text.lower()) for word in words]
    last = words[-1]
    governs = any(word.head == len(words) - 1 for word in words[:-1])
    if len(words) > 1 and last.dep == "punct" and last.text in {".", "!", "?", ":", ";"} and not governs:
        words = [*words[:-2], replace(words[-2], space=False)]
    return words


def batches(examples: Sequence[Example], size: int) -> Iterator[list[Example]]:
    """Yield consecutive examples of about `size` words."""
    batch: list[Example] = []
    words = 0
    for example in examples:
        batch.append(example)
        words += len(example.predicted)
        if words >= size:
            yield batch
            batch, words = [], 0
    if batch:
        yield batch


def expressions(recipe: ParserRecipe, open_nouns: Sequence[str], excluded: set[str], epoch: int) -> list[list[UdWord]]:
    """Return the fragments and drawn-world expressions of one epoch, without those whose text is in `excluded`."""
    from zsris_viz.miniature.world.grammar import gold_examples

    seed = recipe.seed * 1000 + epoch
    made = list(islice(FragmentMaker(seed, open_nouns), recipe.fragments))
    made += [from_gold_tree(tree) for tree, *_ in gold_examples(SCENES_SEED + seed, recipe.scenes)]
    return [words for words in made if _text(words) not in excluded]


def common_nouns(treebank: Sequence[Sequence[UdWord]]) -> list[str]:
    """Return the singular nouns that a treebank has more than once, sorted."""
    counts = Counter(
        word.text.lower() for words in treebank for word in words if word.tag == "NN" and word.text.isalpha()
    )
    return sorted(text for text, count in counts.items() if count > 1 and len(text) > 2)


def _text(words: Sequence[UdWord]) -> str:
    return " ".join(word.text for word in words if word.dep != "punct").lower()


def train(
    recipe: ParserRecipe,
    treebank: Sequence[Sequence[UdWord]],
    dev: Sequence[Sequence[UdWord]],
    extra: Callable[[int], Sequence[Sequence[UdWord]]],
    output: Path,
    *,
    resume: tuple[Path, int] | None = None,
    log: Callable[[str], object] = print,
) -> Language:
    """Train a pipeline, keep the best epoch by the mean of UAS, LAS and tag accuracy on `dev`, and return it.

    Args:
        recipe: The hyperparameters.
        treebank: Training sentences.
        dev: Validation sentences.
        extra: Function from an epoch's number, counted from 0, to further sentences that are shuffled into the epoch.
        output: Folder of the pipeline; written after every epoch that is the best so far, so that an interrupted run
            leaves a usable pipeline.
        resume: A pipeline of an interrupted run, and its number of finished epochs; the rest of the schedule follows.
        log: Function that takes one line of JSON for each epoch.
    """
    import spacy
    from spacy.util import fix_random_seed
    from thinc.api import Adam, NumpyOps, set_current_ops

    set_current_ops(NumpyOps(use_blis=False))  # numpy multiplies matrices three times faster than thinc's own routine
    fix_random_seed(recipe.seed)
    nlp = build_pipeline(recipe) if resume is None else spacy.load(resume[0])
    plain = [make_example(nlp, words) for words in treebank]
    if resume is None:
        nlp.initialize(lambda: [*plain, *(make_example(nlp, words) for words in extra(0))])
    optimizer = Adam(recipe.learn_rate, L2=0.01, grad_clip=1.0, use_averages=True, L2_is_weight_decay=True)
    best, step, started = -1.0, 0, time.perf_counter()
    for epoch in range(resume[1] if resume else 0, recipe.epochs):
        rng = random.Random(recipe.seed * 1000 + epoch)
        examples = [
            make_example(nlp, as_typed(words)) if rng.random() < recipe.lowered else example
            for words, example in zip(treebank, plain, strict=True)
        ]
        examples += [make_example(nlp, words) for words in extra(epoch)]
        rng.shuffle(examples)
        size = round(recipe.batch[0] * (recipe.batch[1] / recipe.batch[0]) ** (epoch / max(1, recipe.epochs - 1)))
        words_in_epoch = sum(len(example.predicted) for example in examples)
        done = 0
        losses: dict[str, float] = {}
        for batch in batches(examples, size):
            progress = (epoch + done / words_in_epoch) / recipe.epochs
            rate = recipe.learn_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
            optimizer.learn_rate = rate * min(1.0, (step + 1) / recipe.warmup)
            nlp.update(batch, sgd=optimizer, drop=recipe.dropout, losses=losses)
            done += sum(len(example.predicted) for example in batch)
            step += 1
        with nlp.use_params(optimizer.averages):
            figures = score_treebank(nlp, dev)
            total = (figures["uas"] + figures["las"] + figures["tag"]) / 3
            if total > best:
                best = total
                nlp.to_disk(output)
        seconds = time.perf_counter() - started
        log(
            json.dumps(
                {
                    "epoch": epoch + 1,
                    "seconds": round(seconds),
                    "steps": step,
                    **figures,
                    "loss": round(sum(losses.values())),
                }
            )
        )
    return spacy.load(output)


def excluded_texts(style: Path) -> set[str]:
    """Return the texts in lower case that training excludes: held-out drawn-world expressions and the labelled list."""
    from zsris_viz.miniature.world.grammar import gold_examples

    held_out = {tree.text.lower() for tree, *_ in gold_examples(*HELD_OUT)}
    return held_out | {row["expression"].lower() for row in read_style(style)}


def main(argv: list[str] | None = None) -> None:
    """Run the command `train parser`: train, measure, and write the pipeline with its card."""
    defaults = ParserRecipe()
    options = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train parser", description=__doc__)
    options.add_argument(
        "--treebank", required=True, help="folder with the train, dev and test files of a UD English treebank"
    )
    options.add_argument(
        "--output", type=Path, default=SHIPPED, help="folder for the pipeline; its contents are replaced"
    )
    options.add_argument(
        "--style", type=Path, default=STYLE, help="hand-labelled expressions: measured on, never trained on"
    )
    for name in ("epochs", "fragments", "scenes", "seed", "width", "hidden"):
        options.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    options.add_argument("--resume", type=Path, help="pipeline that an interrupted run left, with --start")
    options.add_argument("--start", type=int, default=0, help="epochs that the resumed pipeline has seen")
    options.add_argument("--limit", type=int, help="sentences of each split, for a trial")
    chosen = options.parse_args(argv)
    names = ("epochs", "fragments", "scenes", "seed", "width", "hidden")
    recipe = replace(defaults, **{name: getattr(chosen, name) for name in names})
    treebank, dev = (load_split(chosen.treebank, split)[: chosen.limit] for split in ("train", "dev"))
    nouns, excluded = common_nouns(treebank), excluded_texts(chosen.style)
    train(
        recipe,
        treebank,
        dev,
        lambda epoch: expressions(recipe, nouns, excluded, epoch),
        chosen.output,
        resume=(chosen.resume, chosen.start) if chosen.resume else None,
    )
    figures = measure(Parser(str(chosen.output)), chosen.treebank, read_style(chosen.style))
    write_card(chosen.output, asdict(recipe), figures)
    print(json.dumps(figures, indent=2))
