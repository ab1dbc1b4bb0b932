"""What a traced network may compute in place, and what it may not."""

from __future__ import annotations

from torch import nn
from torch.fx import GraphModule, Node
from torch.nn import functional

# Their results are memory of their own: no view of what came before.
_FRESH = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)


def rectify_in_place(network: GraphModule) -> None:
    """Let ReLUs overwrite their input where nothing else reads it; nothing else is done in place.

    A convolution's result that only a ReLU reads is the largest there is to write twice.

    Parameters
    ----------
    network : whose modules compute out of place; its graph is changed, they are not
    """
    graph = network.graph
    for node in list(graph.nodes):
        if node.kwargs.get("inplace"):
            node.update_kwarg("inplace", False)
        if node.op == "call_module" and type(network.get_submodule(str(node.target))) is nn.ReLU:
            (source,) = node.args
            if isinstance(source, Node) and _is_disposable(network, source):
                with graph.inserting_before(node):
                    rectified = graph.call_function(functional.relu, (source,), {"inplace": True})
                node.replace_all_uses_with(rectified)
                graph.erase_node(node)
    network.recompile()


def _is_disposable(network: GraphModule, node: Node) -> bool:
    """Whether one reader alone sees the node's result; the graph's output reads what is asked for."""
    made_fresh = node.op == "call_module" and isinstance(network.get_submodule(str(node.target)), _FRESH)
    return made_fresh and len(node.users) == 1
