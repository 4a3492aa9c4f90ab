"""The menus of the table of cases: what can be done with its selected rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import qt
from slicer.i18n import tr as _

from ....study.model import Case, Role
from ..buttons import addButtonAction
from ..section import Widgets


class CaseActions(Protocol):
    """What the menus do."""

    def assign(self, *, role: Role | None = None, site: str | None = None) -> None:
        """Give the selected cases a role or a site."""
        ...

    def rename(self) -> None:
        """Let the user write another name for the selected case."""
        ...

    def writeSite(self) -> None:
        """Let the user write another site for the selected cases."""
        ...


class CaseMenu:
    """Shows the menus; they offer what the buttons below the table do, when these can be used.

    Args:
        ui: Widgets of Cases.ui.
        actions: What the menus do.
        sites: Function that returns the sites of the study.
    """

    def __init__(self, ui: Widgets, actions: CaseActions, sites: Callable[[], Sequence[str]]) -> None:
        self.ui, self._actions, self._sites = ui, actions, sites
        self._menu: qt.QMenu | None = None

    def open(self, place: qt.QPoint, cases: Sequence[Case]) -> qt.QMenu:
        """Show everything that can be done with the selected cases, at a place of the screen."""
        menu = self._new()
        ui = self.ui
        for button in (ui.showButton, ui.annotateButton):
            addButtonAction(menu, button)
        rename = _add(menu, _("Rename…"), self._actions.rename)
        rename.setEnabled(len(cases) == 1 and ui.setSiteButton.enabled)
        menu.addSeparator()
        self._fillRoles(menu.addMenu(_("Role")), cases)
        self._fillSites(menu.addMenu(_("Site")), cases)
        menu.addSeparator()
        for button in (ui.annotationFileButton, ui.removeButton):
            addButtonAction(menu, button)
        menu.popup(place)
        return menu

    def openRoles(self, place: qt.QPoint, cases: Sequence[Case]) -> qt.QMenu:
        """Show the roles that the selected cases can have."""
        menu = self._new()
        self._fillRoles(menu, cases)
        menu.popup(place)
        return menu

    def openSites(self, place: qt.QPoint, cases: Sequence[Case]) -> qt.QMenu:
        """Show the sites that the selected cases can have."""
        menu = self._new()
        self._fillSites(menu, cases)
        menu.popup(place)
        return menu

    def _new(self) -> qt.QMenu:
        if self._menu is not None:
            self._menu.deleteLater()
        self._menu = qt.QMenu(self.ui.casesTable)
        return self._menu

    def _fillRoles(self, menu: qt.QMenu, cases: Sequence[Case]) -> None:
        present = {case.role for case in cases}
        for role in Role:
            action = _add(menu, role.value, lambda role=role: self._actions.assign(role=role))
            _mark(action, present == {role}, self.ui.setRoleButton)

    def _fillSites(self, menu: qt.QMenu, cases: Sequence[Case]) -> None:
        present = {case.site for case in cases}
        for site in self._sites():
            action = _add(menu, site, lambda site=site: self._actions.assign(site=site))
            _mark(action, present == {site}, self.ui.setSiteButton)
        menu.addSeparator()
        _add(menu, _("Another site…"), self._actions.writeSite).setEnabled(self.ui.setSiteButton.enabled)


def _add(menu: qt.QMenu, text: str, receiver: Callable[[], None]) -> qt.QAction:
    action = menu.addAction(text.replace("&", "&&"))
    action.connect("triggered()", receiver)
    return action


def _mark(action: qt.QAction, isPresent: bool, button: qt.QPushButton) -> None:
    action.setCheckable(True)
    action.setChecked(isPresent)
    action.setEnabled(button.enabled)
