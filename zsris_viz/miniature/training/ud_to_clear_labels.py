"""Labels and words that the conversion to CLEAR style (:mod:`zsris_viz.miniature.training.ud_to_clear`) uses."""

from __future__ import annotations

NOMINAL = {"NOUN", "PROPN", "PRON", "NUM", "SYM"}
CLAUSAL = {"VERB", "AUX"}
#: Adverbs that belong to an adjective rather than to its copula.
DEGREE = {
    "very", "so", "too", "really", "more", "most", "pretty", "quite", "as", "extremely", "much", "less",
    "least", "rather", "fairly", "super", "how", "far", "incredibly", "totally", "absolutely", "completely",
    "fully", "highly", "that",
}  # fmt: skip
#: Dependents that belong to the clause, hence to the copula once it heads the clause.
OF_CLAUSE = {
    "nsubj", "nsubj:pass", "nsubj:outer", "csubj", "csubj:pass", "csubj:outer", "expl", "aux", "aux:pass",
    "mark", "cc", "punct", "discourse", "vocative", "parataxis", "dislocated", "obl:agent", "cc:preconj",
    "reparandum", "orphan",
}  # fmt: skip
#: Arcs that keep their direction: label in Universal Dependencies -> label in CLEAR style.
PLAIN = {
    "nsubj": "nsubj", "nsubj:outer": "nsubj", "nsubj:pass": "nsubjpass", "csubj": "csubj",
    "csubj:outer": "csubj", "csubj:pass": "csubjpass", "obj": "dobj", "iobj": "dative", "ccomp": "ccomp",
    "expl": "expl", "vocative": "npadvmod", "discourse": "intj", "dislocated": "dep", "aux": "aux",
    "aux:pass": "auxpass", "nmod:poss": "poss", "nmod:desc": "compound", "nummod": "nummod",
    "acl:relcl": "relcl", "advcl": "advcl", "advcl:relcl": "advcl", "amod": "amod", "det": "det",
    "det:predet": "predet", "cc": "cc", "cc:preconj": "preconj", "conj": "conj", "compound": "compound",
    "compound:prt": "prt", "appos": "appos", "list": "dep", "parataxis": "parataxis", "orphan": "dep",
    "goeswith": "dep", "reparandum": "dep", "dep": "dep", "punct": "punct", "root": "ROOT", "case": "prep",
    "mark": "mark", "flat": "compound", "fixed": "advmod",
}  # fmt: skip
