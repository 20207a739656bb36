"""The official evaluators of the Open Graph Benchmark."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from torch import Tensor

from graphkit._checks import describe
from graphkit._extras import require
from graphkit.data.ogb_facts import SETS, level


def official_score(name: str, prediction: Tensor, target: Tensor) -> float:
    """The score of predictions by the evaluator of the package `ogb`.

    Args:
        name: A set of the Open Graph Benchmark: "ogbg-molhiv".
        prediction: Raw outputs, ``[n, classes]`` for a multiclass set, ``[n, outputs]`` for
            others; for links ``[n]``, where each is ranked among targets of its own ``[n, 1 + m]``.
        target: ``[n]`` classes; ``[n, outputs]`` labels or numbers, NaN where not known; for
            links 1 for what is linked, one in every row if there are rows, and 0 for negatives.

    Raises:
        ImportError: ogb is not installed.
        ValueError: `name` is none that is read here, or shapes do not fit.
    """
    if name not in SETS:
        raise ValueError(f"name: expected a set of OGB ({', '.join(SETS)}), got {name!r}")
    evaluator = _evaluators(level(name)).Evaluator(name)
    prediction, target = prediction.detach().cpu(), target.detach().cpu()
    if SETS[name].metric == "mrr":
        rows = target.dim() == 2 and bool(((target == 1).sum(dim=1) == 1).all())
        _check_shapes(prediction, target, rows, "[n, 1 + m] with one link in every row of target")
        negative = prediction[target == 0].view(len(target), -1)
        given = {"y_pred_pos": prediction[target == 1], "y_pred_neg": negative}
        return evaluator.eval(given)["mrr_list"].double().mean().item()
    if SETS[name].kind == "link":
        _check_shapes(prediction, target, target.dim() == 1, "[n]")
        given = {"y_pred_pos": prediction[target == 1], "y_pred_neg": prediction[target == 0]}
    else:
        if SETS[name].kind == "multiclass":
            prediction, target = prediction.argmax(dim=1, keepdim=True), target.view(-1, 1)
        columns = target.shape[1:]
        outputs = evaluator.num_tasks
        _check_shapes(prediction, target, columns == (outputs,), f"[n, {outputs}]")
        given = {"y_true": target.numpy(), "y_pred": prediction.numpy()}
    (score,) = evaluator.eval(given).values()
    return float(score)


def _check_shapes(prediction: Tensor, target: Tensor, fits: bool, expected: str) -> None:
    if not fits or prediction.shape != target.shape:
        raise ValueError(
            f"prediction, target: expected {expected} both, "
            f"got {describe(prediction)} and {describe(target)}"
        )


@cache
def _evaluators(kind: str) -> ModuleType:
    """The module of ogb with the evaluator for a kind of set.

    It is loaded from its file: importing the package `ogb` starts a thread that asks the network
    for a newer version, and brings in every library that ogb has loaders for.
    """
    found = find_spec("ogb")
    if found is None or found.origin is None:
        require("ogb", extra="ogb", what="the official score")
        raise AssertionError("a package that is not found cannot be imported")
    file = Path(found.origin).parent / f"{kind}proppred" / "evaluate.py"
    spec = spec_from_file_location(f"graphkit._ogb_{kind}_evaluator", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
