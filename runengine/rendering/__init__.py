"""The lifecycle drawn: one neutral graph made from a policy, and one renderer per format."""

from runengine.rendering.formats import FORMATS, Format
from runengine.rendering.gallery import gallery
from runengine.rendering.graph import Arrow, Edge, Graph, Node, graph_of

__all__ = ["FORMATS", "Arrow", "Edge", "Format", "Graph", "Node", "gallery", "graph_of"]
