"""What autoencoders are for, each beside the plain way.

    python benchmarks/uses.py                # all
    python benchmarks/uses.py denoising --csv benchmarks/results/uses.csv --pictures pictures

``map``: 3,000 test digits of MNIST drawn by t-SNE, from pixels, from 32 principal components and
from a deep autoencoder's 32 codes: trustworthiness of 12 neighbours, accuracy of the nearest
neighbour on the map, seconds. ``denoising``: PSNR of test digits with noise taken off by a
denoising autoencoder of each noise level, by a plain one, and by total variation, whose weight is
the best of four on training digits; with pictures, the filters it learns. ``compression``: bits per
pixel against PSNR of convolutional autoencoders with rounded codes (Ballé et al. 2017), whose bits
are the entropy under the training codes' histograms, beside JPEG, each digit a file less the header
that all share. ``few-labels``: accuracy on the test digits from 10, 50 and 100 labels, by logistic
regression on codes that 60,000 digits without labels gave, on pixels, and by the same network
trained from scratch; ten draws of the labels. ``recommender``: Recall@20 and NDCG@20 on the LastFM
listening data, LightGCN's split, by a masked autoencoder (Liang et al. 2018), by LightGCN and by
popularity, ten seeds; a tenth of the training pairs selects the epoch.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from rows import about, put
from torch import Tensor, nn

from graphkit import plot
from graphkit.data import Images, Samples, interactions_of, load, load_images
from graphkit.experiment import experiment_of
from graphkit.generative import (
    Autoencoder,
    Bottleneck,
    GaussianNoise,
    Masking,
    autoencoder,
    fit_autoencoder,
)
from graphkit.generative.autoencoder import perceptron
from graphkit.generative.image.hourglass import hourglass
from graphkit.generative.objectives import Reconstruction
from graphkit.metrics import psnr, recommendation_hits, recommendation_quality
from graphkit.train import fit

Row = dict[str, Any]


def row(use: str, system: str, setting: Any, metric: str, values: list[float], **more: Any) -> Row:
    found: Row = {
        "use": use,
        "system": system,
        "setting": setting,
        "metric": metric,
        "mean": float(f"{statistics.fmean(values):.5g}"),
        "deviation": float(f"{statistics.stdev(values):.3g}") if len(values) > 1 else "",
        "runs": len(values),
        "seconds": "",
    } | more
    print(*(found[key] for key in list(found)[:6]), found["seconds"], flush=True)
    return found | about("scikit-learn")


# ------------------------------------------------------------------ a map


def map_(images: Images, options: argparse.Namespace) -> Iterator[Row]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE, trustworthiness
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    shown, labels = images.test[:3000].flatten(1), images.test_labels[:3000].numpy()

    def coded() -> np.ndarray:
        torch.manual_seed(0)
        model = autoencoder("deep", 784, 32, nodes=[512, 256], loss="bce")
        fit_autoencoder(model, images.train.flatten(1), epochs=10)
        with torch.no_grad():
            return model.encode(shown).numpy()

    def components() -> np.ndarray:
        return PCA(32, random_state=0).fit(images.train.flatten(1)).transform(shown)

    systems: dict[str, Callable[[], np.ndarray]] = {
        "pixels": lambda: shown.numpy(),
        "32 components": components,
        "32 codes": coded,
    }
    for name, make in systems.items():
        start = time.perf_counter()
        given = make()
        made = time.perf_counter() - start
        start = time.perf_counter()
        drawn = TSNE(2, init="pca", random_state=0).fit_transform(given)
        seconds = {"seconds": round(time.perf_counter() - start, 1)}
        trust = float(trustworthiness(shown.numpy(), drawn, n_neighbors=12))
        near = cross_val_score(KNeighborsClassifier(1), drawn, labels, cv=5).tolist()
        yield row("map", name, "", "trustworthiness", [trust], **seconds)
        yield row("map", name, "", "nearest neighbour's class", [statistics.fmean(near)], **seconds)
        yield row("map", name, "", "seconds before", [made], **seconds)
        if options.pictures:
            file = options.pictures / f"map-{name.replace(' ', '-')}.png"
            plot.points(file, drawn, labels, title=f"t-SNE of {name}", subtitle="3,000 of MNIST")


# ------------------------------------------------------------------ denoising


def denoising(images: Images, options: argparse.Namespace) -> Iterator[Row]:
    from skimage.restoration import denoise_tv_chambolle

    train, test = images.train[:20_000], images.test[:1000]

    def by_filter(noisy: Tensor, weight: float) -> Tensor:
        smooth = [denoise_tv_chambolle(picture[0].numpy(), weight) for picture in noisy]
        return torch.from_numpy(np.stack(smooth)).float()[:, None].clamp(0, 1)

    def trained(corruption: nn.Module | None) -> Autoencoder:
        torch.manual_seed(0)
        kind = "denoising" if corruption is not None else "undercomplete"
        model = autoencoder(kind, (1, 28, 28), 128, nodes=512, loss="bce", corruption=corruption)
        fit_autoencoder(model, train, epochs=8)
        return model

    plain = trained(None)
    levels: dict[str, GaussianNoise | Masking] = {
        f"normal, deviation {deviation}": GaussianNoise(deviation) for deviation in (0.1, 0.25, 0.5)
    } | {f"masked, {rate:.0%}": Masking(rate) for rate in (0.25, 0.5)}
    pictures = []
    for level, noise in levels.items():
        torch.manual_seed(1)
        noisy = noise(test)
        sample = noise(train[:100])
        weight = max(
            (0.05, 0.1, 0.2, 0.4), key=lambda w: psnr(by_filter(sample, w), train[:100]).mean()
        )
        model = trained(noise)
        with torch.no_grad():
            cleaned = {
                "noisy": noisy.clamp(0, 1),
                "total variation": by_filter(noisy, weight),
                "plain autoencoder": plain(noisy),
                "denoising autoencoder": model(noisy),
            }
        for name, made in cleaned.items():
            yield row("denoising", name, level, "psnr", [psnr(made, test).mean().item()])
        pictures += [made[:10] for made in cleaned.values()]
    if options.pictures:
        plot.images(options.pictures / "denoising.png", torch.cat(pictures))
    yield from filters(images, options)


def filters(images: Images, options: argparse.Namespace) -> Iterator[Row]:
    """What one hidden layer looks for, by the share of pixels hidden in training: how alike
    neighbouring weights are, the mean correlation of a filter with itself moved by a pixel."""
    for rate in (0.0, 0.25, 0.5):
        torch.manual_seed(0)
        model = autoencoder(
            "tied", (1, 28, 28), 200, layers=0, loss="bce", corruption=Masking(rate)
        )
        fit_autoencoder(model, images.train[:20_000], epochs=15)
        weight = next(p for p in model.encoder.parameters() if p.dim() == 2).detach()
        pictures = weight.view(-1, 28, 28)[:, 4:-4, 4:-4]  # the border is always black
        pairs = torch.stack([pictures[:, :, :-1].flatten(1), pictures[:, :, 1:].flatten(1)], dim=1)
        alike = [torch.corrcoef(pair)[0, 1].item() for pair in pairs]
        yield row("filters", "tied autoencoder", f"{rate:.0%} hidden", "correlation", alike)
        if options.pictures:
            low, high = weight.aminmax(dim=1, keepdim=True)
            shown = ((weight - low) / (high - low)).view(-1, 1, 28, 28)[:40]
            plot.images(options.pictures / f"filters-{rate:.0%}.png", shown)


# ------------------------------------------------------------------ compression


class Rounding(Bottleneck):
    """Codes are rounded to whole numbers; training adds uniform noise of the same width instead,
    and pays for the bits of a normal distribution (Ballé et al. 2017)."""

    def __init__(self, code: int, price: float) -> None:
        super().__init__()
        self.price = price
        self.log_scale = nn.Parameter(torch.zeros(code))

    def code(self, hidden: Tensor) -> Tensor:
        return hidden.round()

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        noisy = hidden + torch.rand_like(hidden) - 0.5
        normal = torch.distributions.Normal(0.0, self.log_scale.exp())
        mass = normal.cdf(noisy + 0.5) - normal.cdf(noisy - 0.5)
        return noisy, -self.price * mass.clamp(min=1e-9).log2().sum(dim=1)


def bits_of(codes: Tensor, seen: Tensor) -> Tensor:
    """Bits of every row of codes, each entry by its own histogram over the rows seen."""
    bits = torch.zeros(len(codes), dtype=torch.float64)
    for column, known in zip(codes.T.long(), seen.T.long(), strict=True):
        low = min(int(column.min()), int(known.min()))
        size = max(int(column.max()), int(known.max())) - low + 1
        counts = (known - low).bincount(minlength=size) + 1  # none is impossible
        bits -= (counts[column - low].double() / counts.sum()).log2()
    return bits


def compression(images: Images, options: argparse.Namespace) -> Iterator[Row]:
    from PIL import Image

    train, test = images.train[:30_000], images.test[:1000]

    def jpeg(picture: Tensor, quality: int) -> tuple[bytes, Tensor]:
        file = io.BytesIO()
        pixels = (picture[0] * 255).round().byte().numpy()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, optimize=False)
        return file.getvalue(), torch.from_numpy(np.array(Image.open(file))).float() / 255

    for quality in (5, 10, 20, 40, 75):
        files, shown = zip(*(jpeg(picture, quality) for picture in test), strict=True)
        # All but the scan itself is the same in every file, and need be stored once.
        header = files[0].index(b"\xff\xda")
        bits = statistics.fmean(8 * (len(file) - header) for file in files) / 784
        found = psnr(torch.stack(shown)[:, None], test).mean().item()
        yield row("compression", "jpeg", f"quality {quality}", "bits per pixel", [bits])
        yield row("compression", "jpeg", f"quality {quality}", "psnr", [found])
    for price in (0.3, 0.1, 0.03):
        torch.manual_seed(0)
        code = 64
        model = Autoencoder(
            *hourglass((1, 28, 28), code, width=16), "mse", bottleneck=Rounding(code, price)
        )
        start = time.perf_counter()
        fit_autoencoder(model, train, epochs=10)
        seconds = {"seconds": round(time.perf_counter() - start)}
        with torch.no_grad():
            codes, seen = model.encode(test), model.encode(train[:10_000])
            found = psnr(model.decode(codes).clamp(0, 1), test).mean().item()
        bits = bits_of(codes, seen).mean().item() / 784
        setting = f"{price} a bit"
        yield row("compression", "autoencoder", setting, "bits per pixel", [bits], **seconds)
        yield row("compression", "autoencoder", setting, "psnr", [found], **seconds)


# ------------------------------------------------------------------ few labels


def few_labels(images: Images, options: argparse.Namespace) -> Iterator[Row]:
    from sklearn.linear_model import LogisticRegression

    torch.manual_seed(0)
    start = time.perf_counter()
    model = Autoencoder(
        *hourglass((1, 28, 28), 32, layers=2, width=16), "bce", corruption=Masking(0.25)
    )
    fit_autoencoder(model, images.train, epochs=5)
    seconds = {"seconds": round(time.perf_counter() - start)}
    with torch.no_grad():
        codes = torch.cat([model.encode(x) for x in images.train.split(5000)])
        spread = codes.std(dim=0)
        codes = codes / spread
        test_codes = model.encode(images.test) / spread

    def scratch(x: Tensor, y: Tensor) -> nn.Module:
        encoder, _ = hourglass((1, 28, 28), 32, layers=2, width=16)
        network = nn.Sequential(encoder, nn.ReLU(), nn.Linear(32, 10))
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        fit(
            network,
            optimizer,
            Samples(x, y, batch_size=32),
            lambda batch: F.cross_entropy(network(batch[0]), batch[1]),
            epochs=60,
        )
        return network

    y, test_y = images.train_labels, images.test_labels
    for count in (10, 50, 100):
        found: dict[str, list[float]] = {"codes": [], "pixels": [], "from scratch": []}
        for seed in range(options.seeds):
            torch.manual_seed(seed)
            order = torch.randperm(len(y))
            chosen = torch.cat([order[y[order] == d][: count // 10] for d in range(10)])
            for name, given, asked in (
                ("codes", codes, test_codes),
                ("pixels", images.train.flatten(1), images.test.flatten(1)),
            ):
                head = LogisticRegression(max_iter=5000).fit(given[chosen], y[chosen])
                found[name].append(100 * head.score(asked, test_y))
            network = scratch(images.train[chosen], y[chosen])
            with torch.no_grad():
                right = network(images.test).argmax(dim=1) == test_y
            found["from scratch"].append(100 * right.double().mean().item())
        for name, values in found.items():
            more = seconds if name == "codes" else {}
            yield row("few-labels", name, f"{count} labels", "accuracy %", values, **more)


# ------------------------------------------------------------------ recommender


def multinomial(logits: Tensor, target: Tensor) -> Tensor:
    r"""Minus the log-likelihood of what was listened to, :math:`-\sum_i x_i \log p_i` (Liang et al.
    2018, eq. 2)."""
    return -(target * logits.log_softmax(dim=1)).sum(dim=1)


def masked_autoencoder(x: Tensor, judge: Callable[[Tensor], float], seed: int) -> Tensor:
    """Mult-DAE: one hidden layer of 200, half of what was listened to hidden from the encoder."""
    torch.manual_seed(seed)
    artists = x.size(1)
    model = Autoencoder(
        nn.Sequential(Normalised(), nn.Linear(artists, 200), nn.Tanh()),
        perceptron([200, artists]),
        Reconstruction(multinomial, lambda logits: logits, bounded=False),
        corruption=Masking(0.5),
    )
    fit(
        model,
        torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5),
        Samples(x, batch_size=100),
        lambda batch: model.loss(*batch),
        lambda: judge(model(x)),
        epochs=60,
        patience=10,
    )
    with torch.no_grad():
        return model(x)


class Normalised(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1)


def recommender(_: Images, options: argparse.Namespace) -> Iterator[Row]:
    data = load("lastfm")
    pairs = interactions_of(data)

    def table(of: Tensor) -> Tensor:
        found = torch.zeros(pairs.num_users, pairs.num_items, dtype=torch.bool)
        found[of[0], of[1]] = True
        return found

    def quality(scores: Tensor, wanted: Tensor, known: Tensor) -> dict[str, float]:
        return recommendation_quality(*recommendation_hits(20, scores, wanted, known))

    wanted, known = table(pairs.test), table(pairs.train)
    found: dict[str, list[dict[str, float]]] = {}
    took: dict[str, float] = {}
    for seed in track(range(options.seeds), "recommender", transient=True):
        chosen = data.split(seed)
        seen, by = (table(pairs.train[:, part]) for part in (chosen.train, chosen.val))

        def masked(seed: int = seed, seen: Tensor = seen, by: Tensor = by) -> dict[str, float]:
            def judge(scores: Tensor) -> float:
                return quality(scores, by, seen)["recall@20"]

            return quality(masked_autoencoder(seen.float(), judge, seed), wanted, known)

        def by_recipe(model: str, seed: int = seed) -> dict[str, float]:
            trained = experiment_of(data, model).train(seed)
            return {data.metric: trained.score, **trained.further}

        # Tested on what neither training nor selection has seen, once.
        for name, run in (
            ("masked autoencoder", masked),
            ("LightGCN", partial(by_recipe, "lightgcn")),
            ("popularity", partial(by_recipe, "popularity")),
        ):
            start = time.perf_counter()
            found.setdefault(name, []).append(run())
            took[name] = took.get(name, 0.0) + time.perf_counter() - start
    for name, values in found.items():
        seconds = {"seconds": round(took[name] / options.seeds, 1)}
        for metric in ("recall@20", "ndcg@20"):
            scores = [value[metric] for value in values]
            yield row("recommender", name, "", metric, scores, **seconds)


USES: dict[str, Callable[[Images, argparse.Namespace], Iterator[Row]]] = {
    "map": map_,
    "denoising": denoising,
    "compression": compression,
    "few-labels": few_labels,
    "recommender": recommender,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("uses", nargs="*", metavar="USE", help=", ".join(USES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--pictures", type=Path, help="folder for pictures")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    for name in options.uses:
        if name not in USES:
            parser.error(f"USE: expected one of {', '.join(USES)}, got {name!r}")
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    images = load_images("mnist")
    for name in options.uses or USES:
        rows = list(USES[name](images, options))
        if options.csv:
            put(rows, options.csv, ("use", "setting", "system", "metric"))


if __name__ == "__main__":
    main()
