"""Universal Dependencies turned into the label scheme of the `en_core_web_*` pipelines (CLEAR style).

The two schemes differ in who governs whom. Universal Dependencies let content words govern; CLEAR style lets the
preposition govern its object, the verb "be" its complement, and each conjunct the next one. The rules below turn those
arcs round and rename the rest, so that :attr:`spacy.tokens.Doc.noun_chunks` and every rule of
:mod:`zsris_viz.language` read a tree of the built-in pipeline as they read one of the published English pipelines.
Labels are those listed by `spacy.explain`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zsris_viz.miniature.training.ud_to_clear_labels import CLAUSAL, DEGREE, NOMINAL, OF_CLAUSE, PLAIN


@dataclass(frozen=True)
class UdWord:
    """One word of a tree. `head` is the index of its governor in the sentence, its own index for the root."""

    text: str
    lemma: str
    pos: str
    tag: str
    head: int
    dep: str
    space: bool = True


class _Tree:
    """A sentence whose arcs are being turned: parallel lists, and the two moves that every rule is made of."""

    def __init__(self, words: list[UdWord]) -> None:
        self.words = words
        self.head = [word.head for word in words]
        self.ud = [word.dep for word in words]
        self.new: dict[int, str] = {}

    def children(self, i: int) -> list[int]:
        return [j for j, head in enumerate(self.head) if head == i and j != i]

    def raise_over(self, child: int, parent: int) -> None:
        """Put `child` in the place of `parent`, which becomes its dependent; labels are left to the caller."""
        self.head[child] = child if self.head[parent] == parent else self.head[parent]
        self.head[parent] = child

    def pos(self, i: int) -> str:
        return self.words[i].pos

    def lower(self, i: int) -> str:
        return self.words[i].text.lower()


def to_clear_style(words: list[UdWord]) -> list[UdWord]:
    """Return the same sentence with CLEAR-style heads and labels.

    Args:
        words: a sentence in Universal Dependencies, as :func:`.treebank.read_conllu` yields it.

    Returns:
        new words; texts, lemmas and tags unchanged. The result is a tree with one `ROOT`.
    """
    tree = _Tree(words)
    order = range(len(words))
    for i in order:
        if tree.ud[i] == "cop":
            _raise_copula(tree, i)
    for i in order:
        if tree.ud[i] == "fixed":
            _name_fixed(tree, i)
    for i in order:
        if tree.ud[i] == "flat" and words[i].tag != "CD":
            _turn_flat(tree, i)
    for i in order:
        if words[i].tag == "$":
            _turn_currency(tree, i)
    _chain_conjuncts(tree)
    for i in order:
        if i not in tree.new and (tree.ud[i] == "case" or (tree.ud[i] == "mark" and _governs_gerund(tree, i))):
            _raise_preposition(tree, i)
    for i in order:
        if i not in tree.new:
            tree.new[i] = _label(tree, i)
    return [
        replace(word, head=tree.head[i], dep="ROOT" if tree.head[i] == i else tree.new[i].replace("ROOT", "dep"))
        for i, word in enumerate(words)
    ]


def _raise_copula(tree: _Tree, cop: int) -> None:
    """Make "be" the head of its clause.

    Its complement becomes attr, acomp, advmod or ccomp, or stays for a preposition to govern it.
    """
    predicate = tree.head[cop]
    if tree.ud[predicate] == "cop":
        return
    children = tree.children(predicate)
    tree.raise_over(cop, predicate)
    tree.ud[cop] = tree.ud[predicate]
    if predicate in tree.new:  # the place it takes was named by an earlier copula
        tree.new[cop] = tree.new.pop(predicate)
    elif tree.ud[cop] == "acl":
        tree.new[cop] = "relcl"
    extraposed = [j for j in children if tree.ud[j] == "csubj" and j > predicate]
    if extraposed and any(tree.ud[j] == "expl" for j in children):
        for j in children:
            if tree.ud[j] == "expl":
                tree.new[j] = "nsubj"
        for j in extraposed:
            tree.new[j] = "xcomp" if _infinitive(tree, j) else "ccomp"
    cased = any(tree.ud[j] == "case" and tree.words[j].tag != "POS" for j in children)
    for j in children:
        if j != cop and _belongs_to_copula(tree, j, cop, predicate, cased):
            tree.head[j] = cop
    kind = tree.pos(predicate)
    tree.ud[predicate] = "obl" if cased else "complement"
    if not cased:
        if kind in CLAUSAL:
            to = any(tree.words[j].tag == "TO" for j in tree.children(predicate))
            gerund = tree.words[predicate].tag in ("VBG", "VBN")
            tree.new[predicate] = "xcomp" if to else "acomp" if gerund else "ccomp"
        else:
            tree.new[predicate] = {"ADJ": "acomp", "ADV": "advmod"}.get(kind, "attr")


def _belongs_to_copula(tree: _Tree, j: int, cop: int, predicate: int, cased: bool) -> bool:
    label = tree.ud[j]
    if tree.pos(predicate) in CLAUSAL:  # "the problem is that he left": only the outer subject and what precedes "be"
        return label.endswith(":outer") or j < cop or (label == "punct" and j > predicate)
    if label == "punct":
        return not cop < j < predicate
    if label in OF_CLAUSE:
        return not (label == "mark" and j > cop)
    if label == "advmod":
        if j < cop:
            return True
        if j < predicate:
            return tree.lower(j) not in DEGREE or tree.lower(j) in ("not", "n't")
        return not cased and tree.lower(j) not in ("enough", "ago")
    if label in ("advcl", "obl", "obl:unmarked", "advcl:relcl"):
        if tree.pos(predicate) in ("ADJ", "ADV") and j > predicate:
            return label == "obl:unmarked" or (label == "advcl" and not _infinitive(tree, j))
        return True
    if label == "conj":
        return any(tree.ud[k] in ("nsubj", "cop", "expl", "nsubj:pass", "aux") for k in tree.children(j)) or (
            tree.pos(j) in CLAUSAL and tree.pos(predicate) not in CLAUSAL
        )
    return label in ("ccomp", "xcomp") and tree.pos(predicate) != "ADJ"


def _infinitive(tree: _Tree, i: int) -> bool:
    return any(tree.words[j].tag == "TO" and tree.ud[j] in ("mark", "aux") for j in tree.children(i))


def _governs_gerund(tree: _Tree, mark: int) -> bool:
    """Return whether a marker is a preposition with a gerund as its object: "for coming", "without paying"."""
    verb = tree.head[mark]
    return (
        tree.words[mark].tag == "IN"
        and tree.words[verb].tag == "VBG"
        and tree.ud[verb] in ("acl", "advcl", "obl", "nmod", "conj", "complement", "xcomp", "ccomp", "root")
        and not any(tree.ud[j] in ("nsubj", "nsubj:pass", "aux", "expl") for j in tree.children(verb))
    )


def _name_fixed(tree: _Tree, i: int) -> None:
    """Label the later words of a fixed expression: "because of", "such as", "as well as", "of course", "so that"."""
    first = tree.head[i]
    pair = (tree.lower(first), tree.lower(i))
    if pair == ("such", "as") and tree.ud[first] in ("case", "mark"):
        tree.raise_over(i, first)
        tree.ud[i], tree.new[first] = tree.ud[first], "amod"
    elif tree.ud[first] in ("advmod", "nummod", "quantmod") and tree.pos(tree.head[first]) == "NUM":
        tree.new[i] = "quantmod"
        tree.head[i] = tree.head[first]
    elif tree.pos(i) == "ADP":
        tree.new[i] = "pcomp" if tree.ud[first] == "case" else "prep"
    elif tree.pos(i) == "SCONJ" or tree.ud[first] == "mark":
        tree.new[i] = "mark"
    elif tree.pos(first) == "ADP" and tree.pos(i) in ("NOUN", "PRON", "ADJ"):
        tree.new[i] = "pobj"
        if tree.ud[first] == "advmod":
            tree.new[first] = "prep"
    else:
        tree.new[i] = "advmod"


def _turn_flat(tree: _Tree, i: int) -> None:
    """Make the last word the head of a name: "John" depends on "Smith"."""
    first = tree.head[i]
    if tree.words[first].tag == "CD" or tree.pos(first) not in ("PROPN", "NOUN", "X", "ADJ"):
        return
    siblings = [j for j in tree.children(first) if tree.ud[j] == "flat" and tree.words[j].tag != "CD"]
    last = siblings[-1]
    if i != last or last < first:
        return
    for j in tree.children(first):
        if j != last:
            tree.head[j] = last
    tree.raise_over(last, first)
    tree.ud[last], tree.ud[first] = tree.ud[first], "flat"
    if first in tree.new:
        tree.new[last] = tree.new.pop(first)


def _turn_currency(tree: _Tree, sign: int) -> None:
    """Make the number the head of "$ 5", which the sign modifies."""
    numbers = [j for j in tree.children(sign) if tree.ud[j] == "nummod"]
    if not numbers:
        return
    number = numbers[0]
    for j in tree.children(sign):
        if j != number:
            tree.head[j] = number
    tree.raise_over(number, sign)
    tree.ud[number] = "nummod" if tree.ud[sign] == "compound" else tree.ud[sign]
    tree.new[sign] = "nmod"
    tree.ud[sign] = "dep"


def _chain_conjuncts(tree: _Tree) -> None:
    """Attach each conjunct to the one before it, which also governs the conjunction and the comma between them."""
    for first in range(len(tree.words)):
        previous = first
        for j in tree.children(first):
            if tree.ud[j] != "conj" or j < first:
                continue
            for k in tree.children(j):
                if tree.ud[k] in ("cc", "punct") and k < j:
                    tree.head[k] = previous
            tree.head[j] = previous
            previous = j


def _raise_preposition(tree: _Tree, prep: int) -> None:
    """Put a preposition in the place of its object and what precedes it; the object becomes pobj or pcomp."""
    governed = tree.head[prep]
    if tree.words[prep].tag == "POS" or tree.ud[prep] == "fixed":
        tree.new[prep] = "case"
        return
    if prep > governed:  # a stranded preposition: "what are you looking at"
        if tree.head[governed] != governed:
            tree.head[prep], tree.head[governed] = tree.head[governed], prep
            tree.new[governed] = "pobj"
        tree.new[prep] = "prep"
        return
    above = tree.head[governed]
    role = tree.ud[governed]
    second = tree.new.get(governed) == "pobj" and tree.new.get(above) in ("prep", "agent")  # "out of the house"
    conjoined = role == "conj" and above != governed and tree.new.get(above) == "pobj" and not second
    root = above == governed
    for j in tree.children(governed):
        if j < prep and tree.ud[j] != "case" and not (tree.ud[j] == "compound" or tree.ud[j] == "amod"):
            tree.head[j] = prep
    tree.raise_over(prep, governed)
    if conjoined:  # "in the house and on the roof": preposition joins preposition
        tree.head[prep] = tree.head[above]
        for j in tree.children(above):
            if tree.ud[j] in ("cc", "punct") and above < j < prep:
                tree.head[j] = tree.head[above]
    verbal = tree.pos(governed) in CLAUSAL
    if root:
        tree.new[prep] = "ROOT"
    elif role == "conj" and not second:
        tree.new[prep] = "conj"
    elif role == "obl:agent":
        tree.new[prep] = "agent"
    elif role == "nummod":
        tree.new[prep] = "quantmod"
    else:
        tree.new[prep] = "prep"
    tree.new[governed] = "pcomp" if verbal or tree.pos(governed) == "ADV" else "pobj"
    tree.ud[prep] = "root" if root else "prep"
    tree.ud[governed] = "pobj"


def _label(tree: _Tree, i: int) -> str:
    """Return the CLEAR-style label of an arc that keeps its direction."""
    label, word, head = tree.ud[i], tree.words[i], tree.head[i]
    if label == "mark":
        return "aux" if word.tag == "TO" else "mark"
    if label == "nsubj" and tree.words[head].lemma == "be" and any(tree.ud[j] == "expl" for j in tree.children(head)):
        return "attr"
    if label == "expl":
        return "expl" if word.tag == "EX" else "nsubj"
    if label == "advmod":
        if word.lemma.lower() in ("not", "never") or tree.lower(i) in ("n't", "n’t"):
            return "neg"
        if tree.pos(head) == "NUM" and i < head:
            return "quantmod"
        return "npadvmod" if word.pos in ("NOUN", "PROPN") else "advmod"
    if label in ("obl", "obl:unmarked", "obl:agent", "obl:npmod", "obl:tmod"):
        return "npadvmod" if word.pos in NOMINAL else "advmod"
    if label.startswith("nmod") and label not in PLAIN:
        if word.tag == "CD":
            return "nummod"
        return "npadvmod" if label != "nmod" and i > head else "compound" if i < head else "nmod"
    if label == "flat":
        return "nummod" if word.tag == "CD" else "compound"
    if label == "acl":
        if word.pos == "ADJ":
            return "amod"
        return "relcl" if _infinitive(tree, i) else "acl"
    if label == "xcomp":
        if word.pos in CLAUSAL:
            return "xcomp"
        if any(tree.ud[j] == "obj" for j in tree.children(head)):
            return "oprd"
        return {"ADJ": "acomp", "ADV": "advmod"}.get(word.pos, "attr")
    return PLAIN.get(label, "dep")
