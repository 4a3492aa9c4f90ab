"""The stand-in agrees with how PythonQt and Slicer behave, where the panel relies on it."""

from __future__ import annotations

import sys
import weakref

import ctk
import pytest
import qt
import slicer
import slicer.util


@pytest.fixture
def button(slicer_app):
    return qt.QPushButton("text")


def test_properties_are_attributes_and_setters_work_too(button):
    assert (button.text, button.enabled, button.isEnabled()) == ("text", True, True)
    button.setText("y")
    button.enabled = False
    assert (button.text, button.enabled, button.isEnabled()) == ("y", False, False)
    button.name = "me"
    assert (button.objectName, button.className()) == ("me", "QPushButton")


@pytest.mark.parametrize("name", ["text", "width", "size", "sizeHint", "enabled"])
def test_properties_cannot_be_called(button, name):
    with pytest.raises(TypeError, match="not callable"):
        getattr(button, name)()


def test_plain_classes_have_methods():
    item, layout = qt.QTableWidgetItem("a"), qt.QVBoxLayout()
    item.setData(qt.Qt.UserRole, {"id": 3})
    assert (item.text(), item.data(qt.Qt.UserRole), layout.count()) == ("a", {"id": 3}, 0)
    assert qt.QProcess().state() == qt.QProcess.NotRunning
    assert qt.QColor("#ff0000").name() == "#ff0000"


def test_a_virtual_getter_is_an_attribute_and_can_be_overridden(slicer_app):
    class Square(qt.QWidget):
        def sizeHint(self):
            return qt.QSize(70, 70)

    holder = qt.QWidget()
    row = qt.QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(Square())
    bar = qt.QProgressBar()
    bar.value = 30
    assert holder.sizeHint == qt.QSize(70, 70)
    assert bar.text == "30%"


def test_nobody_adds_attributes_to_widgets_of_cpp(button):
    class Own(qt.QPushButton):
        pass

    for widget in (button, ctk.ctkCollapsibleButton(), slicer.qMRMLNodeComboBox()):
        with pytest.raises(AttributeError, match="newAttribute"):
            widget.newAttribute = 5
    own = Own()
    own.newAttribute = 5
    button.setProperty("dynamic", "v")
    assert (own.newAttribute, button.dynamic) == (5, "v")


def test_connections_by_signature_and_by_signal(button):
    got = []
    receiver = lambda checked: got.append(("receiver", checked))  # noqa: E731
    assert button.connect("clicked(bool)", receiver)
    assert button.connect("clicked()", lambda: got.append("plain"))
    button.clicked.connect(lambda checked: got.append(("signal", checked)))
    button.click()
    assert got == [("receiver", False), "plain", ("signal", False)]
    assert button.disconnect("clicked(bool)", receiver)
    got.clear()
    button.click()
    assert got == ["plain", ("signal", False)]


def test_unknown_signals_are_an_error(button):
    with pytest.raises(ValueError, match="no signal nosuch"):
        button.connect("nosuch(bool)", print)


def test_signals_with_nodes_have_their_signature_of_cpp(scene):
    selector, got = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setMRMLScene(scene)
    selector.connect("currentNodeChanged(vtkMRMLNode*)", got.append)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert (selector.currentNode(), selector.currentNodeID, got) == (node, node.GetID(), [node])
    scene.RemoveNode(node)
    assert (selector.currentNode(), got) == (None, [node, None])


def test_enums_are_ints():
    assert qt.Qt.Checked == 2
    assert int(qt.Qt.Horizontal) == 1
    assert qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable == 33
    assert qt.QProcess.NotRunning == qt.QProcess.ProcessState.NotRunning


def test_names_that_are_fragile_in_pythonqt_are_absent():
    assert not {"Signal", "Slot", "Property"} & set(vars(qt))


def test_dialogs_that_wait_for_a_person_fail_the_test():
    with pytest.raises(AssertionError, match="waits for a person"):
        qt.QFileDialog.getExistingDirectory(None, "Folder")


def test_a_process_that_cannot_start_says_so_by_error_occurred_only(spin):
    process, errors, ends = qt.QProcess(), [], []
    process.connect("errorOccurred(QProcess::ProcessError)", errors.append)
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: ends.append((code, status)))
    process.start("/nonexistent", [])
    spin(lambda: errors)
    assert (errors, ends) == ([qt.QProcess.FailedToStart], [])


def test_a_process_ends_with_its_code_and_output(spin):
    process, ends = qt.QProcess(), []
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: ends.append((code, status)))
    process.start(sys.executable, ["-c", "print('out'); raise SystemExit(3)"])
    spin(lambda: ends)
    assert ends == [(3, qt.QProcess.NormalExit)]
    assert process.readAllStandardOutput().data() == b"out\n"


def test_the_environment_of_the_start_is_an_object_and_a_dict(slicer_app):
    environment = slicer_app.startupEnvironment()
    environment.insert("NEW", "1")
    assert (environment.value("NEW"), "NEW" in slicer.util.startupEnvironment()) == ("1", False)
    process = qt.QProcess()
    process.setProcessEnvironment(environment)
    assert process.processEnvironment().value("NEW") == "1"


def test_python_objects_survive_in_combo_boxes():
    box = qt.QComboBox()
    box.addItem("a", {"k": 1})
    box.addItem("b", "text")
    assert (box.itemData(0), box.findData("text"), box.currentData, box.count) == ({"k": 1}, 1, {"k": 1}, 2)


def test_models_of_python_can_be_sorted_and_filtered():
    class Names(qt.QAbstractTableModel):
        def rowCount(self, parent=None):
            return 3

        def columnCount(self, parent=None):
            return 1

        def data(self, index, role):
            return "bca"[index.row()] if role == qt.Qt.DisplayRole else None

    model, proxy = Names(), qt.QSortFilterProxyModel()
    proxy.setSourceModel(model)
    proxy.sort(0)
    assert [proxy.index(row, 0).data() for row in range(proxy.rowCount())] == ["a", "b", "c"]
    assert model.rowCount() == 3


def test_items_of_a_table_can_have_an_order_of_their_own():
    class Number(qt.QTableWidgetItem):
        def __lt__(self, other):
            return int(self.text()) < int(other.text())

    table = qt.QTableWidget(2, 1)
    for row, text in enumerate(["10", "9"]):
        table.setItem(row, 0, Number(text))
    table.sortItems(0)
    assert (table.rowCount, [table.item(row, 0).text() for row in range(2)]) == (2, ["9", "10"])


def test_preferences_keep_truth_values_and_stay_in_a_temporary_folder(slicer_app):
    settings = qt.QSettings()
    settings.setValue("a/b", True)
    assert settings.value("a/b") is True
    assert settings.fileName().startswith(slicer_app.temporaryPath)


def test_widgets_are_of_their_classes_and_can_be_deleted(button):
    reference = weakref.ref(button)
    assert isinstance(reference(), qt.QPushButton)
    assert hasattr(qt.QDialog(), "exec_")
    button.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        button.setText("gone")


class Receiver:
    """Somebody whose method is called."""

    def __init__(self, got):
        self.got = got

    def take(self):
        self.got.append("taken")


def test_timers_and_python_callables(spin):
    got = []
    for delay in (0, 10):
        qt.QTimer.singleShot(delay, lambda delay=delay: got.append(delay))
        qt.QTimer.singleShot(delay, Receiver(got).take)
    spin(lambda: len(got) == 4)
    assert sorted(map(str, got)) == ["0", "10", "taken", "taken"]
    assert qt.QTimer().singleShot is False
    timer = qt.QTimer()
    timer.interval = 20
    assert (timer.interval, timer.active, timer.isActive()) == (20, False, False)


def test_exceptions_in_slots_are_noticed(button, exceptions_in_slots):
    def fail(checked):
        raise KeyError("in a slot")

    button.connect("clicked(bool)", fail)
    button.click()
    assert [type(error) for error in exceptions_in_slots] == [KeyError]
    exceptions_in_slots.clear()
