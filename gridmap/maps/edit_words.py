"""The words of the page on which cells are redrawn; the page fills in what is in braces."""

from __future__ import annotations

from gridmap.language import Message

WORDS = {
    "brush": Message("Brush", context="edit"),
    "lasso": Message("Lasso", context="edit"),
    "merge": Message("Merge", context="edit"),
    "split": Message("Split", context="edit"),
    "lock": Message("Lock", context="edit"),
    "undo": Message("Undo", context="edit"),
    "redo": Message("Redo", context="edit"),
    "open": Message("Open", context="edit"),
    "save": Message("Save", context="edit"),
    "brushTip": Message("Brush (B): paint units into the active cell"),
    "lassoTip": Message("Lasso (L): circle units"),
    "mergeTip": Message("Merge (M): click two cells in turn"),
    "splitTip": Message("Split (D): along the units nearest to a line"),
    "lockTip": Message("Lock (K): a locked cell does not change"),
    "undoTip": Message("Undo (Ctrl/⌘+Z)", context="edit"),
    "redoTip": Message("Redo (Ctrl/⌘+Shift+Z)", context="edit"),
    "openTip": Message("Open a change file (Ctrl/⌘+O)"),
    "saveTip": Message("Save the change file (Ctrl/⌘+S)"),
    "brushHelp": Message(
        "Click a cell to make it active, then paint the units that should join it. Ctrl-click "
        "takes another cell, Esc none."
    ),
    "lassoHelp": Message(
        "Circle units to move them into the active cell, or into a new one when none is active."
    ),
    "mergeHelp": Message("Click two cells in turn; the one with more households keeps its code."),
    "splitHelp": Message("Drag a line, or click points and double-click to end."),
    "lockHelp": Message("Click a cell to lock or unlock it."),
    "closer": Message("+", context="edit"),
    "farther": Message("−", context="edit"),
    "whole": Message("All", context="edit"),
    "closerTip": Message("Zoom in (+)"),
    "fartherTip": Message("Zoom out (-)"),
    "wholeTip": Message("Show all (0)"),
    "canvas": Message(
        "Map of the cells. Arrow keys walk from unit to unit, Enter moves one, Space takes a cell."
    ),
    "legendNumbers": Message("Numbers: households · red: outside {low}–{high}"),
    "legendFrames": Message(
        "Amber: active cell · blue: cell that loses · dashed: units that go along"
    ),
    "cells": Message("Cells", context="edit"),
    "foot": Message(
        "This page works offline and asks nothing of any server. `gridmap apply` puts the saved "
        "file into force and proves the grid anew."
    ),
    "touched": Message("Cells changed", context="edit"),
    "moved": Message("Households moved", context="edit"),
    "compact": Message("Compactness", context="edit"),
    "todo": Message("Not yet right: {count}"),
    "nothingToDo": Message("All is right"),
    "homesOf": Message("{name}: {homes} {homes:household|households}"),
    "over": Message(", {count} too many"),
    "under": Message(", {count} too few"),
    "apart": Message("{name} is in {count} {count:piece|pieces}; approve it or join them"),
    "goto": Message("Show", context="edit"),
    "tune": Message("Adjust", context="edit"),
    "approve": Message("Approve", context="edit"),
    "rename": Message("Name", context="edit"),
    "cancel": Message("Cancel", context="edit"),
    "accept": Message("OK", context="edit"),
    "askReason": Message("Why {name} is approved"),
    "askName": Message("Name of {code}"),
    "newCell": Message("New cell {number}"),
    "lockedBadge": Message("locked", context="edit"),
    "approvedBadge": Message("approved", context="edit"),
    "piecesBadge": Message("{count} {count:piece|pieces}", context="edit"),
    "moveTitle": Message("Into {name}: {homes} {homes:household|households}"),
    "pocket": Message("Also cut off from their cell, and so moved along (dashed): {count}."),
    "afterGood": Message("Households then {from} / {to}, both within {low}–{high}."),
    "afterBad": Message("Households then {from} / {to}, not both within {low}–{high}."),
    "after": Message("Households then {from} / {to}."),
    "reserved": Message("No band binds a dedicated cell; households in it need an approval."),
    "reservedHomes": Message("{name} is dedicated, but gains households ({homes} now)"),
    "lockMark": Message("L", context="edit"),
    "empties": Message("{name} would have no unit left; its code is retired."),
    "cellFacts": Message(
        "Households {homes}, units {units}, pieces {pieces}, compactness {compact}"
    ),
    "startHere": Message("Click to make it the active cell."),
    "no_locked": Message("The cell is locked."),
    "no_parent": Message("The unit lies in another jurisdiction than {name}."),
    "no_apart": Message("The unit does not touch {name}."),
    "lassoMissed": Message("No unit there can be moved."),
    "lassoed": Message("Units moved into {name}: {count}."),
    "splitMissed": Message("The line does not part a cell; draw it from one side to the other."),
    "splitDone": Message("Split into {a} and {b} {b:household|households}."),
    "merged": Message("Merged into {name}, {homes} {homes:household|households}."),
    "mergeRefused": Message("Only unlocked cells of one jurisdiction can be merged."),
    "tuneFailed": Message("No small change brings it into the band; move units by hand."),
    "saved": Message("Saved.", context="edit"),
    "savedUnfinished": Message("Saved; before it can be applied, {count} to put right."),
    "opened": Message("Opened; cells changed: {count}."),
    "bad_schema": Message("This is no change file."),
    "bad_grid": Message("This file starts from another grid ({hash})."),
    "bad_cuts": Message("This file cuts units; apply it first."),
    "bad_cell": Message("This file names a cell that is not on this page."),
    "bad_unit": Message("This file names a unit that is not on this page."),
    "bad_twice": Message("This file moves a unit to two cells."),
}
