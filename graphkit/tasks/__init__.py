"""What is predicted, on nodes, edges or graphs: loss, metric, head and rule of selection in one."""

from graphkit.tasks.accounts import few_labels
from graphkit.tasks.communities import DMoN, collapse, louvain, soft_modularity
from graphkit.tasks.edge import EdgeTask, EndsHead
from graphkit.tasks.friends import FriendModel, FriendTask
from graphkit.tasks.graph import GraphTask
from graphkit.tasks.heuristics import adamic_adar, common_neighbours, resource_allocation
from graphkit.tasks.knowledge import Answers, KnowledgeTask
from graphkit.tasks.link import LinkTask
from graphkit.tasks.node import NodeTask
from graphkit.tasks.recommendation import Popularity, RecommendationTask
from graphkit.tasks.scene import SceneTask, prune, relation_f1, relation_recall
from graphkit.tasks.task import Phase, Phases, Task

__all__ = [
    "Answers",
    "DMoN",
    "EdgeTask",
    "EndsHead",
    "FriendModel",
    "FriendTask",
    "GraphTask",
    "KnowledgeTask",
    "LinkTask",
    "NodeTask",
    "Phase",
    "Phases",
    "Popularity",
    "RecommendationTask",
    "SceneTask",
    "Task",
    "adamic_adar",
    "collapse",
    "common_neighbours",
    "few_labels",
    "louvain",
    "prune",
    "relation_f1",
    "relation_recall",
    "resource_allocation",
    "soft_modularity",
]
