"""The pipeline of every method as a diagram; see :mod:`zsris_viz.figures.diagrams`."""

from __future__ import annotations

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.diagrams import Box, Pipeline
from zsris_viz.figures.study_pipelines import STUDIES

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
    "baselines": Pipeline(
        "Two families of baselines: a feature for each mask, or a map that is averaged in each mask",
        {
            "image": Box("image and masks", 0, 0.5, "input"),
            "expression": Box("expression $T$", 0, 2, "input"),
            "part": Box("crop or region token\nof each mask $m_i$", 1, 0, "model"),
            "patches": Box("patch tokens of\nthe whole image", 1, 1, "model"),
            "features": Box("features $f(m_i)$", 2, 0, "feature"),
            "map": Box("map $M$ for the\nexpression", 2, 1, "feature"),
            "text": Box("CLIP text tower", 2, 2, "model"),
            "cosine": Box("cosine with the\ntext feature", 3, 0, "operation"),
            "mean": Box("mean of $M$\ninside each mask", 3, 1, "operation"),
            "answer": Box("the best mask", 4, 0.5, "output"),
        },
        [
            ("image", "part"),
            ("image", "patches"),
            ("part", "features"),
            ("patches", "map"),
            ("expression", "text"),
            ("text", "map"),
            ("text", "cosine"),
            ("features", "cosine"),
            ("map", "mean"),
            ("cosine", "answer"),
            ("mean", "answer"),
        ],
    ),
    "proposals": Pipeline(
        "From an image to proposals: SAM at a grid of points, and the overlap filter of TAS",
        {
            "image": Box("image", 0, 0, "input"),
            "points": Box("grid of points", 0, 1, "input"),
            "encoder": Box("SAM image encoder\n(once)", 1, 0, "model"),
            "decoder": Box("SAM mask decoder\n(for each point)", 1, 1, "model"),
            "masks": Box("3 masks for each point,\npredicted IoU", 2, 1, "feature"),
            "iou": Box("predicted IoU\nabove a threshold", 3, 1, "operation"),
            "stable": Box("stability score\nabove a threshold", 3, 0, "operation"),
            "nms": Box("non-maximum\nsuppression", 4, 0, "operation"),
            "overlap": Box("overlap filter\n(TAS)", 4, 1, "operation"),
            "proposals": Box("proposals $m_1 \\ldots m_N$", 5, 1, "output"),
        },
        [
            ("image", "encoder"),
            ("encoder", "decoder"),
            ("points", "decoder"),
            ("decoder", "masks"),
            ("masks", "iou"),
            ("iou", "stable"),
            ("stable", "nms"),
            ("nms", "overlap"),
            ("overlap", "proposals"),
        ],
    ),
    "cropping": Pipeline(
        "Cropping: each mask is cut out and shown to CLIP alone",
        {
            "image": Box("image $I$,\nmasks $m$", 0, 0, "input"),
            "expression": Box("expression $T$", 0, 1, "input"),
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
            "image": Box("image $I$,\nmasks $m$", 0, 0.5, "input"),
            "expression": Box("expression $T$", 0, 2.5, "input"),
            "masked": Box("tower with tokens\nmasked in last $k$ blocks", 1, 0, "model"),
            "crop": Box("crop of $I \\odot m$,\nthen tower", 1, 1, "model"),
            "phrase": Box("noun phrase $NP(T)$\n(parser)", 1, 3, "operation"),
            "global": Box("global feature $f^G_m$", 2, 0, "feature"),
            "local": Box("local feature $f^L_m$", 2, 1, "feature"),
            "sentence_text": Box("sentence feature $t^G$", 2, 2, "feature"),
            "phrase_text": Box("phrase feature $t^L$", 2, 3, "feature"),
            "visual": Box("$f_m = \\alpha f^G_m + (1 - \\alpha) f^L_m$", 3, 0.5, "operation"),
            "textual": Box("$t = \\beta t^G + (1 - \\beta) t^L$", 3, 2.5, "operation"),
            "answer": Box("mask $\\hat m$ with the\nlargest cosine", 4, 1.5, "output"),
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
            "image": Box("image $I$,\nmasks $m$", 0, 1, "input"),
            "expression": Box("expression $T$", 0, 3, "input"),
            "crop": Box("crops $I_m$", 1, 0, "operation"),
            "caption": Box("caption $C_m$\nof each crop", 1, 1, "model"),
            "negatives": Box("noun phrases $T_n$ of\nthe image's caption", 1, 2, "model"),
            "direction": Box("direction words", 1, 3, "operation"),
            "visual": Box("V-score $S^v_m$: cosine\nof $I_m$ and $T$", 2, 0, "feature"),
            "positive": Box("P-score $S^p_m$: cosine\nof $C_m$ and $T$", 2, 1, "feature"),
            "negative": Box("N-score $S^n_m$: minus\ncosine of $I_m$ and $T_n$", 2, 2, "feature"),
            "sum": Box("$S^v_m + \\alpha S^p_m + \\lambda S^n_m$", 3, 1, "operation"),
            "rectifier": Box("spatial rectifier", 3, 3, "operation"),
            "answer": Box("the best mask $\\hat m$\nin the named half", 4, 2, "output"),
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
    "copatch": Pipeline(
        "CoPatch: patches of an intermediate layer propose candidates",
        {
            "image": Box("image $I$,\nmasks $m_i$", 0, 0.5, "input"),
            "expression": Box("expression $T$", 0, 2, "input"),
            "layer": Box("patch tokens $P$ of an\nintermediate layer", 1, 0, "model"),
            "base": Box("Global-Local scores;\ntheir softmax $p_i$", 1, 1, "model"),
            "hybrid": Box("hybrid text $t$ with\ncontext tokens", 1, 2, "model"),
            "map": Box("map $M = \\cos(P, t)$", 2, 0, "feature"),
            "clusters": Box("top clusters (CoMap)", 3, 0, "operation"),
            "candidates": Box("candidate masks", 3, 1, "operation"),
            "guidance": Box("relation $r_i$, spatial\ncoherence $c_i$", 3, 2, "operation"),
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
            "image": Box("image $I$,\nmasks $m$", 0, 0.5, "input"),
            "expression": Box("expression $T$", 0, 2, "input"),
            "local": Box("$I^L_m$: mean colour\noutside the mask", 1, 0, "operation"),
            "global": Box("$I^G_m$: blurred\noutside the mask", 1, 1, "operation"),
            "early": Box("first blocks of both\nstreams, $x$ and $y$", 2, 0.5, "model"),
            "late": Box("last $k$ blocks, with\n$y$ added to $x$ (G2L)", 3, 0.5, "model"),
            "text": Box("sentence and\nnoun-phrase features", 3, 2, "model"),
            "scores": Box("softmax of cosines $s_i$", 4, 0.5, "operation"),
            "guidance": Box("relation $r_i$, coherence\n$c_i$, for the best three", 4, 2, "operation"),
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
            "image": Box("image $I$", 0, 0, "input"),
            "expression": Box("expression", 0, 2, "input"),
            "image_tower": Box("frozen image tower,\ntokens $V$", 1, 0, "model"),
            "text_tower": Box("frozen text tower,\ntokens $T$", 1, 2, "model"),
            "cfe": Box("CFE: adapters with\ncross-attention", 1, 1, "operation"),
            "ske": Box("SKE: a transformer\nin the joint space", 2, 1, "operation"),
            "map": Box("grounding map $G$\n(cosines)", 3, 1, "feature"),
            "decoder": Box("decoder, with early\nimage layers", 3, 0, "operation"),
            "answer": Box("mask $M$ at full\nresolution", 4, 0, "output"),
        },
        [
            ("image", "image_tower"),
            ("expression", "text_tower"),
            ("image_tower", "cfe"),
            ("cfe", "image_tower"),
            ("text_tower", "cfe"),
            ("cfe", "text_tower"),
            ("image_tower", "ske"),
            ("text_tower", "ske"),
            ("image_tower", "decoder"),
            ("ske", "map"),
            ("map", "decoder"),
            ("decoder", "answer"),
        ],
    ),
}


def get_pipeline(name: str) -> Pipeline:
    """Return the pipeline diagram of a method or of the task.

    Args:
        name: "task", "baselines", "proposals", the name of a method that has a diagram, or a key of `STUDIES`.

    Returns:
        The pipeline, to be drawn by :func:`zsris_viz.figures.diagrams.show_pipeline`.

    Raises:
        InvalidInputError: There is no diagram of that name.
    """
    known = PIPELINES | STUDIES
    if name not in known:
        raise InvalidInputError(f"there is no pipeline diagram {name!r}; there are {', '.join(known)}.")
    return known[name]
