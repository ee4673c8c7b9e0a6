"""The pipeline of every method as a diagram; see :mod:`zsris_viz.figures.diagrams`."""

from __future__ import annotations

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.diagrams import Box, Pipeline

PIPELINES: dict[str, Pipeline] = {
    "task": Pipeline(
        "Zero-shot referring image segmentation",
        {
            "image": Box("image $I$", 0, 1, "input"),
            "expression": Box("expression $T$", 0, 2, "input"),
            "proposer": Box("mask proposals\n(SAM, FreeSOLO, ...)", 1, 0, "model"),
            "masks": Box("masks $m_1 \\ldots m_N$", 2, 0, "feature"),
            "image_tower": Box("CLIP image tower", 2, 1, "model"),
            "text_tower": Box("CLIP text tower", 2, 2, "model"),
            "scores": Box("scores $s_1 \\ldots s_N$", 3, 1, "operation"),
            "answer": Box("the best mask", 4, 1, "output"),
        },
        [
            ("image", "proposer"),
            ("proposer", "masks"),
            ("masks", "image_tower"),
            ("image", "image_tower"),
            ("expression", "text_tower"),
            ("image_tower", "scores"),
            ("text_tower", "scores"),
            ("scores", "answer"),
        ],
    ),
    "cropping": Pipeline(
        "Cropping: each mask is cut out and shown to CLIP alone",
        {
            "image": Box("image and masks", 0, 0, "input"),
            "expression": Box("expression", 0, 1, "input"),
            "crop": Box("crop of $I \\odot m$", 1, 0, "operation"),
            "image_tower": Box("CLIP image tower", 2, 0, "model"),
            "text_tower": Box("CLIP text tower", 2, 1, "model"),
            "cosine": Box("cosine", 3, 0.5, "operation"),
            "answer": Box("the best mask", 4, 0.5, "output"),
        },
        [
            ("image", "crop"),
            ("crop", "image_tower"),
            ("expression", "text_tower"),
            ("image_tower", "cosine"),
            ("text_tower", "cosine"),
            ("cosine", "answer"),
        ],
    ),
    "global-local": Pipeline(
        "Global-Local CLIP",
        {
            "image": Box("image and masks", 0, 0.5, "input"),
            "expression": Box("expression", 0, 2.5, "input"),
            "masked": Box("tower with tokens\nmasked in last $k$ blocks", 1, 0, "model"),
            "crop": Box("crop, then tower", 1, 1, "model"),
            "phrase": Box("noun phrase (parser)", 1, 3, "operation"),
            "global": Box("global feature $f^G_m$", 2, 0, "feature"),
            "local": Box("local feature $f^L_m$", 2, 1, "feature"),
            "sentence_text": Box("sentence feature", 2, 2, "feature"),
            "phrase_text": Box("noun-phrase feature", 2, 3, "feature"),
            "visual": Box("$f = \\alpha f^G + (1 - \\alpha) f^L$", 3, 0.5, "operation"),
            "textual": Box("$t = \\beta t^G + (1 - \\beta) t^L$", 3, 2.5, "operation"),
            "answer": Box("mask with the\nlargest cosine", 4, 1.5, "output"),
        },
        [
            ("image", "masked"),
            ("image", "crop"),
            ("masked", "global"),
            ("crop", "local"),
            ("global", "visual"),
            ("local", "visual"),
            ("expression", "sentence_text"),
            ("expression", "phrase"),
            ("phrase", "phrase_text"),
            ("sentence_text", "textual"),
            ("phrase_text", "textual"),
            ("visual", "answer"),
            ("textual", "answer"),
        ],
    ),
    "tas": Pipeline(
        "TAS: text-augmented spatial-aware selection",
        {
            "image": Box("image and masks", 0, 1, "input"),
            "expression": Box("expression", 0, 3, "input"),
            "crop": Box("crops of the masks", 1, 0, "operation"),
            "caption": Box("caption of each crop", 1, 1, "model"),
            "negatives": Box("nouns of the image's\ncaption, less referent", 1, 2, "model"),
            "direction": Box("direction words", 1, 3, "operation"),
            "visual": Box("V-score $S_v$", 2, 0, "feature"),
            "positive": Box("P-score $S_p$", 2, 1, "feature"),
            "negative": Box("N-score $S_n$", 2, 2, "feature"),
            "sum": Box("$S_v + \\alpha S_p + \\lambda S_n$", 3, 1, "operation"),
            "rectifier": Box("spatial rectifier", 3, 3, "operation"),
            "answer": Box("the best mask in\nthe named half", 4, 2, "output"),
        },
        [
            ("image", "crop"),
            ("image", "caption"),
            ("image", "negatives"),
            ("expression", "direction"),
            ("crop", "visual"),
            ("caption", "positive"),
            ("negatives", "negative"),
            ("visual", "sum"),
            ("positive", "sum"),
            ("negative", "sum"),
            ("direction", "rectifier"),
            ("sum", "answer"),
            ("rectifier", "answer"),
        ],
    ),
    "layer-probes": Pipeline(
        "Probing the image tower layer by layer",
        {
            "image": Box("image", 0, 0, "input"),
            "copies": Box("changed copies: content\nmoved or replaced", 0, 1, "input"),
            "expression": Box("expression", 0, 2, "input"),
            "tower": Box("image tower:\nhidden states $h_0 ... h_L$", 1, 0.5, "model"),
            "text_tower": Box("text tower", 1, 2, "model"),
            "places": Box("ridge regression\nto places", 2, 0, "operation"),
            "projected": Box("projected tokens $P_l$", 2, 1, "feature"),
            "cosine": Box("cosine with\nthe text", 2, 2, "operation"),
            "decodability": Box("position\ndecodability", 3, 0, "output"),
            "sensitivity": Box("sensitivity,\nequivariance", 3, 1, "output"),
            "localisation": Box("localisation,\nminimal pairs", 3, 2, "output"),
        },
        [
            ("image", "tower"),
            ("copies", "tower"),
            ("expression", "text_tower"),
            ("tower", "places"),
            ("tower", "projected"),
            ("text_tower", "cosine"),
            ("projected", "cosine"),
            ("places", "decodability"),
            ("projected", "sensitivity"),
            ("cosine", "localisation"),
        ],
    ),
    "context-tokens": Pipeline(
        "Context tokens: what the end token takes from them",
        {
            "expression": Box("expression $T$", 0, 1, "input"),
            "masks": Box("image and masks", 0, 2, "input"),
            "parser": Box("parser: noun phrase,\ncontext tokens", 1, 0, "model"),
            "tower": Box("text tower", 1, 1, "model"),
            "visual": Box("visual features\nof the masks", 1, 2, "model"),
            "attention": Box("attention of the\nend token", 2, 0, "feature"),
            "hidden": Box("features with words\nhidden", 2, 1, "feature"),
            "hybrid": Box("hybrid text", 3, 0, "operation"),
            "scores": Box("scores and choice", 3, 1.5, "output"),
        },
        [
            ("expression", "parser"),
            ("expression", "tower"),
            ("masks", "visual"),
            ("parser", "attention"),
            ("tower", "attention"),
            ("tower", "hidden"),
            ("attention", "hybrid"),
            ("hidden", "scores"),
            ("visual", "scores"),
            ("hybrid", "scores"),
        ],
    ),
    "copatch": Pipeline(
        "CoPatch: patches of an intermediate layer propose candidates",
        {
            "image": Box("image and masks", 0, 0.5, "input"),
            "expression": Box("expression", 0, 2, "input"),
            "layer": Box("patch tokens of an\nintermediate layer", 1, 0, "model"),
            "base": Box("Global-Local scores", 1, 1, "model"),
            "hybrid": Box("hybrid text with\ncontext tokens", 1, 2, "model"),
            "map": Box("patch-text map", 2, 0, "feature"),
            "clusters": Box("top clusters (CoMap)", 3, 0, "operation"),
            "candidates": Box("candidate masks", 3, 1, "operation"),
            "guidance": Box("relation and spatial\ncoherence", 3, 2, "operation"),
            "answer": Box("the best candidate", 4, 1, "output"),
        },
        [
            ("image", "layer"),
            ("image", "base"),
            ("expression", "hybrid"),
            ("layer", "map"),
            ("hybrid", "map"),
            ("map", "clusters"),
            ("clusters", "candidates"),
            ("base", "candidates"),
            ("candidates", "answer"),
            ("guidance", "answer"),
            ("hybrid", "guidance"),
        ],
    ),
    "hybridgl": Pipeline(
        "HybridGL: global and local streams are fused in the last blocks",
        {
            "image": Box("image and masks", 0, 0.5, "input"),
            "expression": Box("expression", 0, 2, "input"),
            "local": Box("outside the mask:\npixel mean", 1, 0, "operation"),
            "global": Box("outside the mask:\nblurred", 1, 1, "operation"),
            "early": Box("blocks 1 to 9\nof both streams", 2, 0.5, "model"),
            "late": Box("last blocks, global\nadded to local (G2L)", 3, 0.5, "model"),
            "text": Box("sentence and\nnoun-phrase features", 3, 2, "model"),
            "scores": Box("softmax of cosines", 4, 0.5, "operation"),
            "guidance": Box("relation and spatial\ncoherence, best three", 4, 2, "operation"),
            "answer": Box("the best mask", 5, 1.25, "output"),
        },
        [
            ("image", "local"),
            ("image", "global"),
            ("local", "early"),
            ("global", "early"),
            ("early", "late"),
            ("late", "scores"),
            ("expression", "text"),
            ("text", "scores"),
            ("text", "guidance"),
            ("scores", "answer"),
            ("guidance", "answer"),
        ],
    ),
    "risclip": Pipeline(
        "RISCLIP: a frozen CLIP with trained adapters and decoder",
        {
            "image": Box("image", 0, 0, "input"),
            "expression": Box("expression", 0, 1, "input"),
            "image_tower": Box("frozen image tower", 1, 0, "model"),
            "text_tower": Box("frozen text tower", 1, 1, "model"),
            "cfe": Box("CFE: adapters with\ncross-attention", 2, 0.5, "operation"),
            "ske": Box("SKE: a transformer\nin the joint space", 3, 0.5, "operation"),
            "map": Box("grounding map", 4, 0, "feature"),
            "decoder": Box("decoder", 4, 1, "operation"),
            "answer": Box("mask at full\nresolution", 5, 0.5, "output"),
        },
        [
            ("image", "image_tower"),
            ("expression", "text_tower"),
            ("image_tower", "cfe"),
            ("text_tower", "cfe"),
            ("cfe", "ske"),
            ("ske", "map"),
            ("map", "decoder"),
            ("decoder", "answer"),
        ],
    ),
}


def get_pipeline(name: str) -> Pipeline:
    """Return the pipeline diagram of a method or of the task.

    Args:
        name: "task", or the name of a method that has a diagram.

    Returns:
        The pipeline, to be drawn by :func:`zsris_viz.figures.diagrams.show_pipeline`.

    Raises:
        InvalidInputError: There is no diagram of that name.
    """
    if name not in PIPELINES:
        raise InvalidInputError(f"there is no pipeline diagram {name!r}; there are {', '.join(PIPELINES)}.")
    return PIPELINES[name]
