"""The place of nodes in the subject hierarchy: one folder a case, in a fixed order, and one of what was copied."""

from __future__ import annotations

import slicer
import vtk

_ATTRIBUTE = "SemiSupervisedSeg.Case"
_SOURCES = "SemiSupervisedSeg.Sources"


def putIntoFolder(caseId: str, title: str, nodes: list[slicer.vtkMRMLNode]) -> None:
    """Put nodes into the folder of a case, in this order; the folder is made when there is none."""
    tree = _tree()
    folder = _folder(tree, caseId)
    if folder is None:
        folder = tree.CreateFolderItem(tree.GetSceneItemID(), title)
        tree.SetItemAttribute(folder, _ATTRIBUTE, caseId)
    tree.SetItemName(folder, title)
    items = []
    for node in nodes:
        # In the application the item is there already; without Slicer's plugins it is missing.
        item = tree.GetItemByDataNode(node) or tree.CreateItem(folder, node)
        tree.SetItemParent(item, folder)
        items.append(item)
    if _children(tree, folder)[: len(items)] == items:
        return
    for item in reversed(items):
        first = tree.GetItemByPositionUnderParent(folder, 0)
        if first != item:
            tree.MoveItem(item, first)


def putIntoSources(title: str, nodes: list[slicer.vtkMRMLNode]) -> None:
    """Put the user's nodes that a study has copies of into a folder of their own; they stay as they are."""
    tree = _tree()
    folders = _children(tree, tree.GetSceneItemID())
    folder = next((item for item in folders if tree.GetItemAttribute(item, _SOURCES)), None)
    if folder is None:
        folder = tree.CreateFolderItem(tree.GetSceneItemID(), title)
        tree.SetItemAttribute(folder, _SOURCES, "yes")
        tree.SetItemExpanded(folder, False)
    for node in nodes:
        item = tree.GetItemByDataNode(node) or tree.CreateItem(folder, node)
        tree.SetItemParent(item, folder)


def removeItem(node: slicer.vtkMRMLNode) -> None:
    """Take a node out of the hierarchy before it is removed; in the application Slicer's plugins would do it."""
    if slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is None:
        return
    tree = _tree()
    item = tree.GetItemByDataNode(node)
    if item:
        tree.RemoveItem(item, False)


def removeEmptyFolders(butOf: str | None) -> None:
    """Remove the folders of cases in which nothing is left, but not that of a case with this id."""
    tree = _tree()
    for folder in _children(tree, tree.GetSceneItemID()):
        if tree.GetItemAttribute(folder, _ATTRIBUTE) not in ("", butOf) and not _children(tree, folder):
            tree.RemoveItem(folder)


def _tree() -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def _folder(tree: slicer.vtkMRMLSubjectHierarchyNode, caseId: str) -> int | None:
    items = _children(tree, tree.GetSceneItemID())
    return next((item for item in items if tree.GetItemAttribute(item, _ATTRIBUTE) == caseId), None)


def _children(tree: slicer.vtkMRMLSubjectHierarchyNode, parent: int) -> list[int]:
    items = vtk.vtkIdList()
    tree.GetItemChildren(parent, items)
    return [items.GetId(number) for number in range(items.GetNumberOfIds())]


def removeNode(node: slicer.vtkMRMLNode) -> None:
    """Remove a node from the scene with its display and storage nodes."""
    scene = slicer.mrmlScene
    displays = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    removeStorage(node)
    removeItem(node)
    scene.RemoveNode(node)
    for display in displays:
        # Desktop Slicer removes them with their node.
        if display is not None and display.GetScene() is not None:
            scene.RemoveNode(display)


def removeStorage(node: slicer.vtkMRMLNode) -> None:
    """Remove the storage nodes of a node, which say in which file it was saved with the scene."""
    for storage in [node.GetNthStorageNode(index) for index in range(node.GetNumberOfStorageNodes())]:
        if storage is not None and storage.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(storage)
