# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the stand-in starts, and when it refuses to: configuration, lock file, databases as they are found."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import STANDIN, Database, World  # noqa: E402

from oned import daemon, machine, mads, schema  # noqa: E402
from oned.bootstrap import NotStarted  # noqa: E402
from oned.config import Config, Federation, Refused, attributes  # noqa: E402


def log_of(folder):
    return (folder / "var/log/one/oned.log").read_text(encoding="utf-8")


def refused(folder, **how):
    with pytest.raises(NotStarted) as problem:
        World(folder, **how)
    return str(problem.value), log_of(folder)


# -- databases


def test_master_bootstraps_an_empty_database(tmp_path):
    world = World(tmp_path)
    assert schema.FEDERATED and set(schema.FEDERATED) <= world.database.tables()
    assert [row[0] for row in world.database.rows("SELECT name FROM user_pool ORDER BY oid")] == ["oneadmin", "serveradmin"]
    assert world.database.rows("SELECT version, is_slave FROM local_db_versioning") == [("4.90.0", 0)]
    assert world.xml("one.zone.info", 0).findtext("TEMPLATE/ENDPOINT") == "http://localhost:2633/RPC2"
    assert {path.name for path in world.places.auth.iterdir()} == {"one_auth", "one_key", "sunstone_auth", "oneflow_auth", "onegate_auth", "ec2_auth"}
    assert world.ok("one.zone.allocate", 'NAME=beta\nENDPOINT="http://b:2633/RPC2"', -1) == 100


def test_second_start_writes_nothing(tmp_path):
    world = World(tmp_path)
    world.database.refuses = 1290
    again = World(tmp_path, database=world.database)
    assert again.ok("one.system.version") == "5.0.2"


def test_bootstrap_is_refused_while_server_auth_files_exist(tmp_path):
    World(tmp_path)
    text, log = refused(tmp_path)                      # the same front-end, by mistake on an empty database
    assert text == (f"Password file {tmp_path}/var/lib/one/.one/sunstone_auth already exists but OpenNebula is boostraping the database. "
                    "Check your database configuration in oned.conf.")
    assert text in log


def test_bootstrap_on_a_read_only_server_is_refused_clearly(tmp_path):
    database = Database()
    database.refuses = 1290
    text, log = refused(tmp_path, database=database)
    assert "read-only" in text and "writer" in text and "error 1290" in log
    assert not database.tables()


def test_bootstrap_without_one_auth_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pathlib.Path, "write_text", lambda *_arguments, **_options: 0)
    text, _log = refused(tmp_path)
    assert "one_auth" in text


def test_slave_on_an_empty_database_is_refused(tmp_path):
    text, log = refused(tmp_path, mode="SLAVE", zone=100)
    assert text == "Database version mismatch. Check oned.log."
    assert "Cannot access shared DB tables. Check DB replica configuration." in log


def only_shared(world):
    """Return a database with the eight tables only, as replication brings them."""
    database = Database()
    for statement in schema.create(schema.SHARED):
        database.write(statement)
    for table in schema.FEDERATED:
        for row in world.database.rows(f"SELECT * FROM {table}"):
            database.write((f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", *row))
    return database


def test_slave_on_the_eight_tables_makes_its_own_and_only_one_key(tmp_path):
    database = only_shared(World(tmp_path / "master"))
    world = World(tmp_path / "slave", database=database, mode="SLAVE", zone=100)
    assert database.rows("SELECT is_slave FROM local_db_versioning") == [(1,)]
    assert set(schema.LOCAL) <= database.tables()
    assert {path.name for path in world.places.auth.iterdir()} == {"one_auth", "one_key"}
    assert world.xml("one.clusterpool.info").findtext("CLUSTER/NAME") == "default"


@pytest.mark.parametrize("version", ["4.14.0", "5.2.0"])
def test_slave_on_another_version_is_refused(tmp_path, version):
    database = only_shared(World(tmp_path / "master"))
    database.write(("UPDATE db_versioning SET version = %s", version))
    text, log = refused(tmp_path / "slave", database=database, mode="SLAVE", zone=100)
    assert text == "Database version mismatch. Check oned.log."
    assert (f"Database version mismatch ( db_versioning). Installed OpenNebula 5.0.2 needs DB version '4.90.0', and existing DB version is '{version}'."
            in log and "Cannot join federation, oned master needs upgrade." in log)


def test_slaves_database_as_standalone_is_refused(tmp_path):
    database = only_shared(World(tmp_path / "master"))
    World(tmp_path / "slave", database=database, mode="SLAVE", zone=100)
    database.write(("DELETE FROM pool_control",))     # a slave never gave an id in a shared pool
    text, log = refused(tmp_path / "slave", database=database, mode="STANDALONE")
    assert "Error trying to create default group" in text and "error 1062" in log


def test_masters_database_as_slave_and_an_unknown_zone_start_without_complaint(tmp_path):
    world = World(tmp_path)
    assert World(tmp_path, database=world.database, mode="SLAVE", zone=222).ok("one.system.version") == "5.0.2"


# -- configuration


def conf(folder, text):
    places = machine.Places(folder)
    for place in (places.etc, places.log, places.lock.parent, places.auth):
        place.mkdir(parents=True, exist_ok=True)
    (places.etc / "oned.conf").write_text(text, encoding="utf-8")
    return places


def test_syntax_error_is_told_on_stdout_and_ends_with_zero(tmp_path, capsys):
    conf(tmp_path, "A = 1\nB\n")
    assert daemon.main(["-f"], root=tmp_path) == 0
    out, err = capsys.readouterr()
    assert out.startswith("\nError while parsing configuration file:\nsyntax error, unexpected ") and err == "Could not load nebula configuration file.\n"


def test_missing_file_is_told(tmp_path, capsys):
    assert daemon.main(["-f"], root=tmp_path) == 0
    assert "Error opening template file" in capsys.readouterr().out


@pytest.mark.parametrize("stanza, text", [
    ('MODE = "BOTH"', "FEDERATION MODE must be one of STANDALONE, MASTER, SLAVE."),
    ('MODE = "SLAVE", ZONE_ID = 100', "FEDERATION MASTER_ONED endpoint is missing."),
])
def test_federation_stanza_is_refused_in_the_daemons_words(tmp_path, capsys, stanza, text):
    conf(tmp_path, f"FEDERATION = [ {stanza} ]\n")
    assert daemon.main(["-f"], root=tmp_path) == 255
    assert capsys.readouterr().err == text + "\n"
    with pytest.raises(Refused):
        Federation(Config.read(tmp_path / "etc/one/oned.conf"))


def test_mode_is_accepted_in_any_case():
    assert Federation(Config([("FEDERATION", {"MODE": "standalone"})])).mode == "STANDALONE"


def test_lock_file_refuses_a_second_start_and_is_left_alone(tmp_path, capsys):
    places = conf(tmp_path, "")
    places.lock.touch()
    assert daemon.main(["-f"], root=tmp_path) == 255
    assert capsys.readouterr().err == f"Error: Cannot start oned, opening lock file {places.lock}\n"
    assert places.lock.exists()


def test_sqlite_is_refused_plainly_and_the_lock_is_given_back(tmp_path, capsys):
    places = conf(tmp_path, 'DB = [ BACKEND = "sqlite" ]\n')
    assert daemon.main(["-f"], root=tmp_path) == 255
    assert "no SQLite" in capsys.readouterr().err
    assert not places.lock.exists()


def test_database_password_is_in_the_dump_for_drivers_and_not_in_the_log(tmp_path, monkeypatch):
    places = conf(tmp_path, 'DB = [ BACKEND = "mysql", PASSWD = "CANARY-7" ]\n')
    monkeypatch.setattr(daemon.Daemon, "connect", lambda self: (dummy for dummy in ()).throw(NotStarted("far enough")))
    assert daemon.main(["-f"], root=tmp_path) == 255
    assert "CANARY-7" in (places.var / "config").read_text(encoding="utf-8") and (places.var / "config").stat().st_mode & 0o777 == 0o640
    assert "CANARY" not in log_of(tmp_path) and "PASSWD=***" in log_of(tmp_path)


def test_first_of_two_values_wins_and_numbers_end_where_digits_end():
    config = Config(attributes("PORT = 2644\nPORT = 2645\n", "x"))
    assert config.number("PORT") == 2644
    assert Config([("PORT", "2633\r")]).number("PORT") == 2633


def test_our_own_oned_conf_is_read_and_can_be_told_to_use_mysql():
    text = (STANDIN / "etc" / "oned.conf").read_text(encoding="utf-8")
    names = [name for name, _value in attributes(text, "oned.conf")]
    assert {"LOG", "MONITORING_INTERVAL", "PORT", "DB", "FEDERATION", "IM_MAD", "VM_MAD", "TM_MAD", "AUTH_MAD"} <= set(names)
    for name in ("sched.conf", "standin.conf"):
        assert attributes((STANDIN / "etc" / name).read_text(encoding="utf-8"), name)


# -- drivers

SHIPPED = attributes((STANDIN / "etc" / "oned.conf").read_text(encoding="utf-8"), "oned.conf")


def loads(folder, *more, drop=(), without=()):
    """Load the drivers of our oned.conf with further stanzas, on a root where all executables but ``without`` are; return drivers (None: refused), log."""
    places = conf(folder, "")
    places.mads.mkdir(parents=True)
    loaded = [pair for pair in SHIPPED if pair[0] not in drop] + list(more)
    for name in {value["EXECUTABLE"] for _section, value in loaded if isinstance(value, dict) and "EXECUTABLE" in value} - set(without):
        (places.mads / name).touch(0o755)
    log = machine.Log(places.log / "oned.log")
    try:
        return mads.load(Config(loaded), places, log), log_of(folder)
    except mads.NotLoaded:
        return None, log_of(folder)


def test_drivers_of_our_oned_conf_are_loaded_in_the_daemons_order(tmp_path):
    drivers, log = loads(tmp_path)
    assert set(drivers) == {"kvm", "collectd"} and drivers["kvm"].arguments == "-r 3 -t 15 kvm"
    said = [line.partition("]: ")[2] for line in log.splitlines()]
    assert said == ["Loading Virtual Machine Manager drivers.", "\tLoading driver: kvm (KVM)", "\tDriver kvm loaded.",
                    "Loading Information Manager drivers.", "\tLoading driver: collectd", "\tDriver collectd loaded", "\tLoading driver: kvm",
                    "\tDriver kvm loaded", "Loading Transfer Manager driver.", "\tTransfer manager driver loaded", "Loading Hook Manager driver.",
                    "\tHook Manager loaded", "Loading Image Manager driver.", "\tImage Manager loaded", "Loading Marketplace Manager driver.",
                    "\tMarketplace Manager loaded", "Loading Auth. Manager driver.", "\tAuth Manager loaded"]


@pytest.mark.parametrize("missing", ["one_vmm_exec", "collectd", "one_tm", "one_hm", "one_datastore", "one_market", "one_auth_mad"])
def test_missing_executable_of_any_section_is_refused(tmp_path, missing):
    drivers, log = loads(tmp_path, without=[missing])
    assert drivers is None
    assert f"[MAD][E]: Cannot load driver {tmp_path}/usr/lib/one/mads/{missing}, No such file or directory" in log


def test_executable_that_may_not_be_run_and_an_absolute_one(tmp_path):
    program = tmp_path / "one_im_mine"
    program.touch(0o644)
    stanza = ("IM_MAD", {"NAME": "mine", "EXECUTABLE": str(program)})
    drivers, log = loads(tmp_path / "first", stanza)
    assert drivers is None and f"Cannot load driver {program}, Permission denied" in log
    program.chmod(0o755)
    drivers, _log = loads(tmp_path / "second", stanza)
    assert drivers["mine"].executable == str(program)


def test_driver_without_executable_and_a_section_that_is_missing(tmp_path):
    drivers, log = loads(tmp_path / "first", ("IM_MAD", {"NAME": "mine"}))
    assert drivers is None and "[MAD][E]: Wrong attributes for the driver" in log
    drivers, log = loads(tmp_path / "second", drop=["TM_MAD"])
    assert drivers is None and "[TM][E]: Failed to load Transfer Manager driver." in log
    assert loads(tmp_path / "third", drop=["AUTH_MAD"])[0]


def test_unknown_type_is_logged_and_skipped_even_without_its_executable(tmp_path):
    drivers, log = loads(tmp_path, ("VM_MAD", {"NAME": "vmm_eh", "EXECUTABLE": "one_vmm_eh", "TYPE": "eh"}), without=["one_vmm_eh"])
    assert drivers and "[VMM][E]: \tUnknown driver type: EH" in log and "Driver vmm_eh loaded" not in log


def test_two_drivers_of_one_name_are_both_loaded_and_the_first_counts(tmp_path):
    drivers, log = loads(tmp_path, ("VM_MAD", {"NAME": "kvm", "EXECUTABLE": "one_vmm_exec", "TYPE": "kvm"}),
                         ("IM_MAD", {"NAME": "kvm", "EXECUTABLE": "one_im_sh", "ARGUMENTS": "kvm"}))
    assert log.count("\tDriver kvm loaded.") == 2 and drivers["kvm"].executable.endswith("one_im_ssh")


def test_daemon_without_a_driver_says_so_and_hangs_without_listening(tmp_path, monkeypatch):
    conf(tmp_path, (STANDIN / "etc" / "oned.conf").read_text(encoding="utf-8"))
    monkeypatch.setattr(daemon.Daemon, "connect", lambda self: Database())
    monkeypatch.setattr(daemon.Daemon, "assemble", lambda *_arguments: pytest.fail("it went on"))
    (tmp_path / "var/lib/one/.one/one_auth").write_text("oneadmin:opennebula\n", encoding="utf-8")
    hung = []
    monkeypatch.setattr(daemon.Daemon, "hang", lambda self: hung.append(self) or 0)
    assert daemon.main(["-f"], root=tmp_path) == 0
    assert hung and "[ONE][E]: Could not load driver" in log_of(tmp_path)
    assert "Cannot load driver" in log_of(tmp_path) and "Starting XML-RPC" not in log_of(tmp_path)


def test_hanging_daemon_waits_until_it_is_told_to_end(tmp_path):
    conf(tmp_path, "")
    one = daemon.Daemon(machine.Places(tmp_path), Config([]), Federation(Config([])))
    waited = []
    one.stopped.wait = lambda: waited.append(True)
    assert one.hang() == 0 and waited == [True]
