r"""
What autoencoders are for
=========================

A code worth having is a means. This page goes through uses that fit on one page: a map, anomalies,
clean pictures, and labels saved. Each has a command or a script that runs it on larger data;
:doc:`/generative` has the figures.
"""

# %%
# A transformer for scikit-learn
# ------------------------------
#
# `AutoencoderEstimator` has scikit-learn's methods, so it stands in pipelines and can be searched
# over. `fit` trains, `transform` codes, `inverse_transform` decodes.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from graphkit.generative import AutoencoderEstimator

x, y = load_digits(return_X_y=True)
coder = AutoencoderEstimator("deep", 8, layers=1, nodes=64, epochs=20, lr=3e-3, random_state=0)
pipeline = make_pipeline(MinMaxScaler(), coder, LogisticRegression(max_iter=2000))
search = GridSearchCV(pipeline, {"autoencoderestimator__code": [2, 8, 16]}, cv=3)
search.fit(x[:1000], y[:1000])
print("best size of the code:", search.best_params_["autoencoderestimator__code"])
print(f"accuracy on the others: {search.score(x[1000:], y[1000:]):.3f}")

# %%
# A map
# -----
#
# t-SNE draws points so that neighbours stay neighbours. Its time grows with the data, and a code of
# a few numbers leaves it less to do and less noise. Trustworthiness is the share of neighbours on
# the map that are neighbours in the data too, up to a correction.

some = x[:1000]
codes = make_pipeline(MinMaxScaler(), coder).fit_transform(some)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
for place, (name, given) in zip(axes, {"pixels": some, "codes of 8": codes}.items(), strict=True):
    drawn = TSNE(2, init="pca", random_state=0).fit_transform(given)
    trust = trustworthiness(some, drawn, n_neighbors=12)
    place.scatter(*drawn.T, c=y[:1000], cmap="tab10", s=6)
    place.set(xticks=[], yticks=[], title=f"t-SNE of {name}, trustworthiness {trust:.3f}")

# %%
# Anomalies
# ---------
#
# What an autoencoder of usual samples cannot give back is unusual; so is a code far from the
# others. The score counts both. Here: benign tissue samples are usual, and one in ten rows is
# malignant. Nothing is learnt from the labels.

x, y = load_breast_cancer(return_X_y=True)
benign, malignant = x[y == 1], x[y == 0][:35]
rows = StandardScaler().fit_transform(np.concatenate([benign, malignant]))
truth = np.r_[np.zeros(len(benign)), np.ones(len(malignant))]
detector = AutoencoderEstimator("deep", 2, layers=1, nodes=32, epochs=60, random_state=0).fit(rows)
print(f"ROC-AUC: {roc_auc_score(truth, -detector.score_samples(rows)):.3f}")
called = detector.predict(rows) == -1
print(f"{int(called.sum())} called anomalies, of which {truth[called].mean():.0%} are malignant")

# %%
# Your own table of transactions, with a column of labels if there are any, is one command:
# ``graphkit anomaly cards.csv``. On five published sets an isolation forest is still ahead, and the
# table there says by how much.
#
# Clean pictures
# --------------
#
# A denoising autoencoder takes noise off that it was trained with. Its first layer's weights show
# what it looks for: without noise they look like noise themselves, with more of it like strokes.

from graphkit.generative import Masking, autoencoder, fit_autoencoder

digits = torch.from_numpy(load_digits().data / 16).float()
figure, axes = plt.subplots(3, 12, figsize=(11, 3), layout="constrained")
for line, rate in zip(axes, (0.0, 0.25, 0.5), strict=True):
    torch.manual_seed(0)
    model = autoencoder(
        "denoising", 64, 100, layers=0, nodes=64, loss="bce", corruption=Masking(rate)
    )
    fit_autoencoder(model, digits, epochs=60, batch_size=64, lr=3e-3)
    filters = model.encoder[0].weight.detach()
    for place, weights in zip(line, filters, strict=False):
        place.imshow(weights.view(8, 8).numpy(), cmap="RdBu", norm="linear")
        place.set(xticks=[], yticks=[])
    line[0].set_ylabel(f"{rate:.0%}", rotation=0, ha="right", va="center")
figure.suptitle("first-layer filters, by the share of pixels hidden in training")

# %%
# Few labels
# ----------
#
# Unlabelled samples are plenty, labels are dear. Codes learnt from all samples may let a classifier
# do with fewer labels. Whether they do is a matter of the data, so one measures it, over several
# draws of the labels: on digits as small and clean as these, pixels do as well.

labels = load_digits().target
torch.manual_seed(0)
model = autoencoder("denoising", 64, 32, nodes=128, loss="bce", corruption=Masking(0.25))
fit_autoencoder(model, digits, epochs=40, batch_size=64, lr=3e-3)
with torch.no_grad():
    codes = StandardScaler().fit_transform(model.encode(digits).numpy())
pixels = digits.numpy()
for count in (10, 50, 100):
    found = {"pixels": [], "codes": []}
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(labels))
        per_class = [order[labels[order] == digit][: count // 10] for digit in range(10)]
        chosen = np.concatenate(per_class)
        rest = np.setdiff1d(order, chosen)
        for name, given in (("pixels", pixels), ("codes", codes)):
            head = LogisticRegression(max_iter=2000).fit(given[chosen], labels[chosen])
            found[name].append(head.score(given[rest], labels[rest]))
    print(
        f"{count} labels: "
        + ", ".join(
            f"{name} {np.mean(v):.3f} ± {np.std(v, ddof=1):.3f}" for name, v in found.items()
        )
    )
