"""The lifecycle drawn: one neutral graph made from a policy, and one renderer per format."""

from runengine.rendering.formats import FORMATS, Format
from runengine.rendering.gallery import gallery
from runengine.rendering.graph import Arrow, Edge, Graph, Node, graph_of, graph_of_lifecycle
from runengine.rendering.weighted_formats import WEIGHTED_FORMATS
from runengine.rendering.weights import Odd, Weight, WeightedGraph, weighted

__all__ = [
    "FORMATS",
    "WEIGHTED_FORMATS",
    "Arrow",
    "Edge",
    "Format",
    "Graph",
    "Node",
    "Odd",
    "Weight",
    "WeightedGraph",
    "gallery",
    "graph_of",
    "graph_of_lifecycle",
    "weighted",
]
