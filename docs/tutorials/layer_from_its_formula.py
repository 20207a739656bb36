r"""
A layer from its formula
========================

A graph layer in a paper is a formula with three parts: a *message* along every edge, an
*aggregation* over the messages that reach a node, and an *update* of the node. In graphkit those
are the three things you write, in plain PyTorch; everything else (finding the neighbours, the
fused kernel, its gradient) follows from them.

This page writes three layers, from the best known to one that no library has, and checks each
against a dense computation in double precision that uses no graphkit at all.
"""

# %%
# A graph
# -------
#
# Fifteen families of Renaissance Florence, and which of them married into which (Padgett and
# Ansell, 1993). The graph comes with networkx, so nothing is downloaded. `edge_index` is `[2,
# E]`: row 0 holds the source *j* of every edge, row 1 its destination *i*, and messages flow
# from *j* to *i*. An undirected graph holds every edge in both directions.

import matplotlib.pyplot as plt
import networkx as nx
import torch
from torch import nn

from graphkit.convert import from_networkx

torch.manual_seed(0)

families = nx.florentine_families_graph()
graph = from_networkx(families)
print(graph)
print(graph.edge_index[:, :6])

# %%
# Every check below compares with matrices over all pairs of nodes. `A[i, j]` is 1 where `j` sends
# to `i`.

N, F = graph.num_nodes, 8
x = torch.randn(N, F, dtype=torch.float64)
A = torch.zeros(N, N, dtype=torch.float64)
A[graph.edge_index[1], graph.edge_index[0]] = 1

# %%
# Graph convolution
# -----------------
#
# Kipf and Welling (2017), equation 2:
#
# .. math::
#    x'_i = \sum_{j \in N(i) \cup \{i\}} a_{ij}\, \Theta x_j,
#    \qquad a = \hat D^{-1/2} (A + I) \hat D^{-1/2}
#
# The aggregation is a sum. The message needs the features of the source, so its argument ends in
# `_j`; the coefficient `a` belongs to the edge, so its name has no ending. What stands before
# the sum happens in `forward`, and `propagate` is handed whatever the message asks for by name.

from graphkit.nn import MessagePassing
from graphkit.nn.conv import gcn_norm


class GraphConvolution(MessagePassing):
    def __init__(self, channels, out_channels):
        super().__init__(aggr="sum")
        self.theta = nn.Linear(channels, out_channels, bias=False)

    def forward(self, x, edge_index):
        graph, a = gcn_norm(edge_index, num_nodes=len(x), dtype=x.dtype)
        return self.propagate(graph, x=self.theta(x), a=a)

    def message(self, x_j, a):
        return a.view(-1, 1) * x_j


# %%
# The same in matrices:

convolution = GraphConvolution(F, 3).double()

A_hat = A + torch.eye(N, dtype=torch.float64)
d = A_hat.sum(dim=1)
dense = (A_hat / (d[:, None] * d).sqrt()) @ x @ convolution.theta.weight.T

torch.testing.assert_close(convolution(x, graph), dense)

# %%
# A `Graph` is one way to say who is connected. The bare tensor serves as well, as do the graphs of
# PyTorch Geometric:

torch.testing.assert_close(convolution(x, graph.edge_index), dense)

# %%
# A message of your own
# ---------------------
#
# Let every node weigh what it hears by a gate that sender and receiver set together:
#
# .. math::
#    x'_i = \sum_{j \in N(i)} \sigma(a_i + b_j) \odot b_j,
#    \qquad a = W_a x,\quad b = W_b x
#
# Here the message asks for something of the destination, so an argument ends in `_i`. Written with
# tensors alone, this would hold several tensors of edges × features, and their gradients. graphkit
# traces `message` once and runs it, sum included, as one kernel that goes row by row.


class Gated(MessagePassing):
    def __init__(self, channels, out_channels):
        super().__init__(aggr="sum")
        self.a = nn.Linear(channels, out_channels)
        self.b = nn.Linear(channels, out_channels)

    def forward(self, x, edge_index):
        return self.propagate(edge_index, a=self.a(x), b=self.b(x))

    def message(self, a_i, b_j):
        return torch.sigmoid(a_i + b_j) * b_j


# %%
# The dense form is a sum over a tensor of nodes × nodes × features. The derivative is derived from
# the message, so gradients are compared too.

gated = Gated(F, 4).double()


def gated_dense(x):
    a, b = gated.a(x), gated.b(x)
    return (A[:, :, None] * torch.sigmoid(a[:, None] + b[None]) * b[None]).sum(dim=1)


torch.testing.assert_close(gated(x, graph), gated_dense(x))

direction = torch.randn(N, 4, dtype=torch.float64)
learnt = [x.requires_grad_(), *gated.parameters()]
ours = torch.autograd.grad(gated(x, graph), learnt, direction)
expected = torch.autograd.grad(gated_dense(x), learnt, direction)
for gradient, dense_gradient in zip(ours, expected, strict=True):
    torch.testing.assert_close(gradient, dense_gradient)
x = x.detach()

# %%
# Any aggregation takes the place of the sum: `"mean"`, `"max"`, `"min"`, `"std"`, `"softmax"`, a
# list of them, whose results stand side by side, or a module of your own.
#
# Which path did the message take?

from graphkit.engine.plan import explain

explain(gated)

# %%
# Attention
# ---------
#
# Veličković et al. (2018) let a node attend to its neighbours, equations 3 and 4:
#
# .. math::
#    x'_i = \sum_{j \in N(i)} \alpha_{ij}\, \Theta x_j,
#    \qquad \alpha_{ij} = \operatorname{softmax}_{j \in N(i)}
#    \big(\mathrm{LeakyReLU}(s_i + t_j)\big),
#    \qquad s = \Theta x\, a_s,\quad t = \Theta x\, a_t
#
# The softmax runs over the neighbourhood of each destination. `softmax` takes the scores of the
# edges and their destinations, `index`, which a message may ask for by that name.

from graphkit.nn import softmax


class Attention(MessagePassing):
    def __init__(self, channels, out_channels):
        super().__init__(aggr="sum")
        self.theta = nn.Linear(channels, out_channels, bias=False)
        self.a_s = nn.Parameter(torch.randn(out_channels, 1))
        self.a_t = nn.Parameter(torch.randn(out_channels, 1))

    def forward(self, x, edge_index):
        z = self.theta(x)
        return self.propagate(edge_index, z=z, s=z @ self.a_s, t=z @ self.a_t)

    def message(self, z_j, s_i, t_j, index, size_i):
        score = nn.functional.leaky_relu(s_i + t_j, 0.2)
        return softmax(score, index, num_nodes=size_i) * z_j


attention = Attention(F, 4).double()


def attention_weights(x):
    z = attention.theta(x)
    score = nn.functional.leaky_relu(z @ attention.a_s + (z @ attention.a_t).T, 0.2)
    return score.masked_fill(A == 0, -torch.inf).softmax(dim=1)


torch.testing.assert_close(attention(x, graph), attention_weights(x) @ attention.theta(x))

# %%
# A network on every edge
# -----------------------
#
# Gilmer et al. (2017) let a small network read both ends,
#
# .. math::
#    x'_i = \sum_{j \in N(i)} W_2\, \mathrm{ReLU}\big(W_1 [x_i \Vert x_j] + b_1\big) + b_2 .
#
# Written down as it is, this would multiply a matrix for every edge, twice.


class Read(MessagePassing):
    def __init__(self, channels, hidden, out_channels):
        super().__init__(aggr="sum")
        self.network = nn.Sequential(
            nn.Linear(2 * channels, hidden), nn.ReLU(), nn.Linear(hidden, out_channels)
        )

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)

    def message(self, x_i, x_j):
        return self.network(torch.cat([x_i, x_j], dim=-1))


reading = Read(F, 8, 4).double()
pairs = torch.cat([x.unsqueeze(1).expand(-1, len(x), -1), x.expand(len(x), -1, -1)], dim=-1)
dense = torch.einsum("ij,ijf->if", A, reading.network(pairs))
torch.testing.assert_close(reading(x, graph), dense)

# %%
# The engine splits the first map into one of the sources and one of the destinations, which it
# applies to nodes, and the second, being linear, follows the sum. What is left for the edges is a
# sum and a ReLU.

print(explain(reading))

# %%
# A node that nobody writes to
# ----------------------------
#
# It gets 0 from every aggregation, attention too: no mean over nothing, no softmax over nothing.

alone = attention(torch.randn(3, F, dtype=torch.float64), torch.tensor([[0, 1], [1, 0]]))
assert torch.equal(alone[2], torch.zeros(4, dtype=torch.float64))

# %%
# Which edges mattered?
# ---------------------
#
# Every layer multiplies its messages by its `edge_mask`, if it has one: one factor for every
# edge. A mask of ones changes nothing, and a 0 silences an edge.

ones = torch.ones(graph.num_edges, dtype=torch.float64)
gated.edge_mask = ones
torch.testing.assert_close(gated(x, graph), gated_dense(x))

# %%
# Its gradient tells how much an edge mattered for a result. Two layers stand one upon the other:
# on which marriages do the new features of the Medici rest?

second = Gated(4, 1).double()
mask = ones.clone().requires_grad_()
gated.edge_mask = second.edge_mask = mask
medici = graph.node_names.index("Medici")
result = second(gated(x, graph).relu(), graph)[medici].sum()
(importance,) = torch.autograd.grad(result, mask)
gated.edge_mask = second.edge_mask = None

arrows = nx.DiGraph()
for source, destination, weight in zip(*graph.edge_index.tolist(), importance.abs(), strict=True):
    if weight > 0:
        arrows.add_edge(
            graph.node_names[source], graph.node_names[destination], width=float(weight)
        )
widths = torch.tensor([data["width"] for *_, data in arrows.edges(data=True)])
widths = 0.5 + 4 * widths / widths.max()

position = nx.spring_layout(families, seed=4)
figure, axes = plt.subplots(figsize=(8, 6))
nx.draw_networkx_edges(families, position, ax=axes, edge_color="0.85", style="dashed")
nx.draw_networkx_nodes(families, position, ax=axes, node_color="0.85", node_size=300)
nx.draw_networkx_nodes(
    families, position, nodelist=["Medici"], ax=axes, node_color="tab:red", node_size=300
)
nx.draw_networkx_edges(
    arrows,
    position,
    ax=axes,
    width=widths.tolist(),
    edge_color="tab:blue",
    connectionstyle="arc3,rad=0.12",
)
nx.draw_networkx_labels(families, position, ax=axes, font_size=9)
axes.set_title("What the Medici heard in two steps")
axes.set_axis_off()

# %%
# From here
# ---------
#
# The layers that :doc:`/api/nn` lists are written like this, one paper in one file: reading
# `GCNConv` or `GATConv` after this page should hold no surprise. Whatever cannot be traced (a
# branch on values, a recurrent network) needs no other form: it runs in plain torch, with the
# same result.
