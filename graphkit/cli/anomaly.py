"""`graphkit anomaly`: the strangest rows of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from graphkit.cli._output import check_folder, check_json, plain_errors, write
from graphkit.cli._training import progress, show


def anomaly(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with a heading, a column for every feature, or npz with X; with labels, "
            "1 for an anomaly, where they are known."
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(help="Column of labels in a CSV, if not y, label, class or anomaly."),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="autoencoder, isolation-forest, pca or one-class-svm.")
    ] = "autoencoder",
    contamination: Annotated[
        float, typer.Option(help="Share of the rows to call anomalies, above 0, at most 0.5.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="One seed, one result.")] = 0,
    out: Annotated[Path, typer.Option(help="CSV to write scores to.")] = Path("scores.csv"),
    json_file: Annotated[
        str, typer.Option("--json", help="Write the result here too; - is standard output.")
    ] = "",
) -> None:
    """Score every row by how unlike the others it is; the highest are the strangest.

    Nothing is learnt from labels. Where there are any, ROC-AUC and average precision tell how well
    the scores find them.
    """
    check_json(json_file)
    check_folder(out.absolute().parent, "--out")
    aside = Console(stderr=True)
    with plain_errors():
        if not 0 < contamination <= 0.5:
            raise ValueError(
                f"--contamination: expected a share above 0, at most 0.5, got {contamination}"
            )
        with aside.status("Loading"):
            import numpy as np
            from sklearn.preprocessing import StandardScaler

            from graphkit.tasks import anomalies

            rows = anomalies.read_rows(file, label)
            x = StandardScaler().fit_transform(rows.x)
            found = anomalies.detector(detector, x.shape[1], seed)
        if detector == "autoencoder":
            with progress(aside, "Training", found.epochs) as told:
                for epoch in range(1, found.epochs + 1):
                    found.partial_fit(x)
                    told(epoch, f"loss {found.losses_[-1]:.4g}")
        else:
            with aside.status("Fitting"):
                found.fit(x)
        scores = -found.score_samples(x)
        strange = scores > np.quantile(scores, 1 - contamination)
        results: dict[str, Any] = {
            "detector": detector,
            "rows": len(x),
            "features": x.shape[1],
            "called_anomalies": int(strange.sum()),
            "strangest_rows": np.argsort(-scores)[:5].tolist(),
        }
        if rows.y is not None:
            from sklearn.metrics import average_precision_score, roc_auc_score

            results |= {
                "anomalies": int(rows.y.sum()),
                "roc_auc": float(roc_auc_score(rows.y, scores)),
                "average_precision": float(average_precision_score(rows.y, scores)),
            }
        lines = [f"{k},{scores[k]:.6g},{int(strange[k])}" for k in range(len(x))]
        write("\n".join(["row,score,anomaly", *lines]), str(out))
    console = aside if json_file == "-" else Console()
    show(console, f"{file.name}, {detector}", results)
    aside.print(f"  {out}", highlight=False, soft_wrap=True)
    if json_file:
        write(json.dumps({"file": str(file), "seed": seed} | results, indent=2), json_file)
