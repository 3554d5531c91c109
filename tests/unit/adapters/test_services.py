# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""services.Systemd: which units start with another one."""
from __future__ import annotations

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import services


def test_links_of_a_unit_are_read_and_ours_is_dropped(monkeypatch, tmp_path):
    ours, packages = tmp_path / "etc", tmp_path / "usr"
    monkeypatch.setattr(services, "WANTS", (str(ours), str(packages)))
    done = []
    monkeypatch.setattr(services.system, "run", lambda argv, **unused: done.append(argv) or (0, "", ""))
    units = services.Systemd()
    assert units.wants("a.service") == []
    for above, name in ((ours, "b.service"), (packages, "c.service")):
        (above / "a.service.wants").mkdir(parents=True)
        (above / "a.service.wants" / name).symlink_to("/dev/null")
    assert units.wants("a.service") == ["b.service", "c.service"]
    units.drop_wants("a.service", "b.service")
    units.drop_wants("a.service", "b.service")
    assert units.wants("a.service") == ["c.service"] and done == [["systemctl", "daemon-reload"]] * 2
