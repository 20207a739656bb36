"""What is predicted, on nodes, edges or graphs: loss, metric, head and rule of selection in one."""

from graphkit.tasks.edge import EdgeTask, EndsHead
from graphkit.tasks.graph import GraphTask
from graphkit.tasks.link import LinkTask
from graphkit.tasks.node import NodeTask
from graphkit.tasks.scene import SceneTask, prune, relation_f1, relation_recall
from graphkit.tasks.task import Phase, Phases, Task

__all__ = [
    "EdgeTask",
    "EndsHead",
    "GraphTask",
    "LinkTask",
    "NodeTask",
    "Phase",
    "Phases",
    "SceneTask",
    "Task",
    "prune",
    "relation_f1",
    "relation_recall",
]
