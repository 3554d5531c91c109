# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own module_utils/core: the same parser and state names that the modules use.

The package carries copies beside this file (../build puts them here); in the checkout they are read where they are written.
"""
import pathlib

_CHECKOUT = pathlib.Path(__file__).resolve().parents[5] / "plugins" / "module_utils" / "core" if len(pathlib.Path(__file__).resolve().parents) > 5 else None
if _CHECKOUT is not None and _CHECKOUT.is_dir():
    __path__.append(str(_CHECKOUT))
