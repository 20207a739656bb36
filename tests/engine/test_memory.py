"""The memory of large results: who holds it, and when it comes back."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading

import pytest
import torch

from graphkit.engine.cpu import memory
from graphkit.engine.cpu.memory import PATIENCE, Pool
from graphkit.graph import Graph
from graphkit.nn import MessagePassing
from tests.engine.test_processes import passes

pytestmark = pytest.mark.skipif(not memory.SUPPORTED, reason="this system has no such memory")
ROWS, WIDTH = 2**16, 16
BYTES = ROWS * WIDTH * 4


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """A pool of its own for what the engine makes."""
    own = Pool()
    monkeypatch.setattr(memory, "_pool", own)
    return own


class Sum(MessagePassing):
    def forward(self, x, graph):
        return self.propagate(graph, x=x)


@pytest.fixture(scope="module")
def graph() -> Graph:
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(ROWS, (2, 3 * ROWS), generator=generator)
    return Graph(edges, num_nodes=ROWS)


def test_memory_comes_back_with_the_last_view(pool: Pool) -> None:
    out = pool.empty(ROWS, WIDTH, torch.float32)
    assert out.shape == (ROWS, WIDTH)
    assert out.is_contiguous()
    assert not out._is_view()
    address = out.data_ptr()
    part = out[5:7]
    array = out.numpy()
    del out
    part.fill_(1.0)
    other = pool.empty(ROWS, WIDTH, torch.float32).fill_(2.0)
    assert other.data_ptr() != address
    assert (part == 1.0).all()
    assert pool.resting == 0
    del part
    assert pool.resting == 0  # the array still is there
    del array
    assert pool.resting >= BYTES
    assert pool.empty(ROWS, WIDTH, torch.float32).data_ptr() == address


def test_all_dtypes_share_it(pool: Pool) -> None:
    out = pool.empty(ROWS, WIDTH, torch.bfloat16)
    assert out.dtype == torch.bfloat16
    assert out.shape == (ROWS, WIDTH)
    out.fill_(1.0)
    address = out.data_ptr()
    del out
    whole = pool.empty(ROWS // 4, WIDTH, torch.float64).fill_(3.0)
    assert whole.data_ptr() == address
    assert (whole == 3.0).all()


def test_small_results_are_left_to_torch(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "empty", lambda *_: pytest.fail("asked for a small tensor"))
    assert memory.empty(10, 16, torch.float32).shape == (10, 16)
    assert memory.empty(0, 0, torch.float32).shape == (0, 0)


def test_what_is_mapped_is_bounded_by_the_peak(pool: Pool) -> None:
    for k in range(1, 30):  # every size asks for a mapping of its own
        pool.empty(k * 2**20, 1, torch.float32)
        assert pool.resting <= 2 * (k + 1) * 2**22
    several = [pool.empty(ROWS, WIDTH, torch.float32) for _ in range(5)]
    used = pool.in_use
    assert used >= 5 * BYTES
    del several
    assert pool.in_use == 0
    assert pool.resting >= used


def test_what_rests_too_long_is_let_go(pool: Pool) -> None:
    pool.empty(64 * ROWS, WIDTH, torch.float32)
    assert pool.resting >= 64 * BYTES
    for _ in range(PATIENCE + 2):
        pool.empty(ROWS, WIDTH, torch.float32)
    assert pool.resting < 64 * BYTES


def test_a_much_smaller_result_takes_no_large_mapping(pool: Pool) -> None:
    large = pool.empty(64 * ROWS, WIDTH, torch.float32)
    address = large.data_ptr()
    del large
    small = pool.empty(ROWS, WIDTH, torch.float32)
    assert small.data_ptr() != address


def test_copies_and_pickles_stand_alone(pool: Pool) -> None:
    out = pool.empty(ROWS, WIDTH, torch.float32).fill_(1.0)
    file = io.BytesIO()
    torch.save(out, file)
    assert file.tell() < BYTES + 2**16  # the result, not the whole mapping
    file.seek(0)
    copies = [copy.deepcopy(out), out.clone(), pickle.loads(pickle.dumps(out)), torch.load(file)]
    out.fill_(2.0)
    del out
    assert pool.in_use == 0
    assert all((c == 1.0).all() for c in copies)


def test_shared_memory_takes_its_place(pool: Pool) -> None:
    out = pool.empty(ROWS, WIDTH, torch.float32).fill_(1.0)
    out.share_memory_()
    assert pool.in_use == 0
    assert pool.resting >= BYTES
    pool.empty(ROWS, WIDTH, torch.float32).fill_(2.0)
    assert out.is_shared()
    assert (out == 1.0).all()


def test_resizing_never_leaves_the_mapping(pool: Pool) -> None:
    out = pool.empty(ROWS, WIDTH, torch.float32).fill_(1.0)
    out.resize_(3, 4)
    assert (out == 1.0).all()
    out.resize_(ROWS, WIDTH)
    with pytest.raises(RuntimeError, match="not resizable"):
        out.resize_(2 * ROWS, WIDTH)


def test_results_can_be_changed_in_place(pool: Pool, graph: Graph) -> None:
    x = torch.ones(ROWS, WIDTH, requires_grad=True)
    out = Sum()(x, graph)
    out.mul_(2.0)  # autograd would refuse this on a view
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad[:, 0], 2 * out_degree(graph))


def out_degree(graph: Graph) -> torch.Tensor:
    return graph.by_source.degree.float()


def test_what_backward_needs_is_kept(pool: Pool, graph: Graph) -> None:
    x = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(1), requires_grad=True)
    layer = Sum(aggr="max")
    layer(x, graph).sum().backward()
    expected, x.grad = x.grad, None
    out = layer(x, graph).sum()  # the result itself dies here; the winners are saved
    for _ in range(3):
        pool.empty(ROWS, WIDTH, torch.int32).fill_(7)
    out.backward()
    assert expected is not None
    assert x.grad is not None
    assert torch.equal(x.grad, expected)


def test_a_training_loop_maps_nothing_after_its_first_step(pool: Pool, graph: Graph) -> None:
    x = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(1), requires_grad=True)
    layer, made = Sum(aggr="mean"), []

    def step() -> None:
        x.grad = None
        layer(torch.relu(layer(x, graph)), graph).square().sum().backward()

    step()
    step()
    original = memory._Region.__init__

    def noted(region, size: int) -> None:
        made.append(size)
        original(region, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory._Region, "__init__", noted)
        for _ in range(3):
            step()
    assert not made


def test_many_threads(pool: Pool) -> None:
    wrong = []

    def loop(number: int) -> None:
        for turn in range(50):
            out = pool.empty(ROWS, WIDTH, torch.float32)
            out.fill_(100 * number + turn)
            if not (out == 100 * number + turn).all():
                wrong.append((number, turn))

    threads = [threading.Thread(target=loop, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not wrong
    assert pool.in_use == 0


def test_tensors_end_inside_a_collection(pool: Pool) -> None:
    """A finaliser may run while the same thread is inside the pool."""
    ring: list = [pool.empty(ROWS, WIDTH, torch.float32)]
    ring.append(ring)
    del ring
    with pool._lock:
        gc.collect()
    assert pool.in_use == 0
    assert pool.resting >= BYTES


BODY = """
import gc
from graphkit.engine.cpu import memory
big = Graph(torch.randint(0, 60_000, (2, 90_000), generator=generator), num_nodes=60_000)
wide = torch.randn(60_000, 32, generator=generator)
def check():
    out = layer(wide, big)
    assert out.numel() * 4 > memory.SMALLEST
    return out
"""


def test_fork() -> None:
    """Parent and child write to what the parent held, and see nothing of each other."""
    passes(
        BODY
        + """
warnings.simplefilter("ignore")
held, expected = check(), check().clone()
del expected
expected = held.clone()
check()  # rests now
memory._pool._lock.acquire()  # another thread may hold it at the fork
pid = os.fork()
if pid == 0:
    torch.set_num_threads(1)
    assert memory._pool.resting == 0
    held.fill_(3.0)
    del held
    fresh = check()
    ok = torch.equal(fresh, expected) and memory._pool.in_use > 0
    os._exit(0 if ok else 1)
memory._pool._lock.release()
assert os.waitpid(pid, 0)[1] == 0
assert torch.equal(held, expected) and torch.equal(check(), expected)
print("done")
"""
    )


def test_workers_of_a_loader() -> None:
    passes(
        BODY
        + """
from torch.utils.data import DataLoader, Dataset
warnings.simplefilter("ignore")
expected = check().clone()
class Outputs(Dataset):
    def __len__(self): return 6
    def __getitem__(self, k):
        torch.set_num_threads(1)
        return check()
for out in DataLoader(Outputs(), batch_size=None, num_workers=2):
    assert torch.equal(out, expected)
print("done")
"""
    )


@pytest.mark.parametrize("holder", ["kept = check()", "sys.modules['torch'].kept = check()"])
def test_alive_when_the_interpreter_ends(holder: str) -> None:
    errors = passes(BODY + holder + "\nkept2 = [check()]\nkept2.append(kept2)\nprint('done')")
    assert not errors, errors
