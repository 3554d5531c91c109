# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a database as it is found to one that oned can work with, or a refusal in the words of 5.0.2.

Measured: ../../../../../shared/field-notes/opennebula-federation.md ("Starting a slave", "Bootstrap of an empty DB").
"""
from __future__ import annotations

import hashlib
import secrets

from . import acl, body, machine, pools, schema
from .database import NO_SUCH_TABLE, READ_ONLY, DatabaseError

SERVER_FILES = ("sunstone_auth", "oneflow_auth", "onegate_auth", "ec2_auth")
MISMATCH = "Database version mismatch. Check oned.log."
_QUOTAS = "<QUOTAS><ID>{}</ID><DATASTORE_QUOTA></DATASTORE_QUOTA><NETWORK_QUOTA></NETWORK_QUOTA><VM_QUOTA></VM_QUOTA><IMAGE_QUOTA></IMAGE_QUOTA></QUOTAS>"
_VDC_TEXT = ("Every new group is added to this VDC. Use it to store default access rules for your groups. NOTE: You may need to remove a group from "
             "the default VDC before assigning it to other VDC.")


class NotStarted(Exception):
    """oned stops here; the message goes to stderr (the reason is in oned.log already)."""


class Batch:
    """A database whose writes wait for ``flush`` and are one transaction then: a dozen commits cost seconds on a busy disk."""

    def __init__(self, database):
        self.database, self.waiting = database, []

    def rows(self, sql, *arguments):
        return self.database.rows(sql, *arguments)

    def write(self, *statements):
        self.waiting += statements

    def flush(self):
        statements, self.waiting = self.waiting, []
        if statements:
            self.database.write(*statements)


class Bootstrap:
    """Check the versions, create what is missing."""

    def __init__(self, database, federation, places, log, port):
        self.database, self.federation, self.places, self.log, self.port = database, federation, places, log, port
        self.batch = Batch(database)

    def run(self):
        self.log.info("ONE", "Checking database version.")
        try:
            self.check_versions()
            self.make_objects()
        except DatabaseError as error:
            self.log.error("ONE", str(error))
            if error.number == READ_ONLY:
                reason = ("The database is read-only on this server (MariaDB error 1290) and has to be bootstrapped. Start oned where the database's "
                          "writer is, or lift read_only there first.")
                self.log.error("ONE", reason)
                raise NotStarted(reason) from None
            raise NotStarted(f"Cannot use the database: {error.text}. Check oned.log.") from None

    # -- tables

    def version(self, table):
        try:
            rows = self.database.rows(f"SELECT version FROM {table} WHERE oid = (SELECT MAX(oid) FROM {table})")
        except DatabaseError as error:
            if error.number != NO_SUCH_TABLE:
                raise
            return None
        return rows[0][0] if rows else None

    def check_versions(self):
        slave = self.federation.slave
        local, shared = self.version("local_db_versioning"), self.version("db_versioning")
        if slave and shared is None:
            self.log.error("ONE", "Cannot access shared DB tables. Check DB replica configuration.")
            raise NotStarted(MISMATCH)
        for table, version in (("local_db_versioning", local), ("db_versioning", shared)):
            if version not in (None, schema.VERSION):
                self.log.error("ONE", f"Database version mismatch ( {table}). Installed OpenNebula 5.0.2 needs DB version '{schema.VERSION}', "
                                      f"and existing DB version is '{version}'.")
                if slave:
                    self.log.error("ONE", "Cannot join federation, oned master needs upgrade.")
                raise NotStarted(MISMATCH)
            if version is not None:
                self.log.info("ONE", f"oned is using version {version} for {table}")
        if local is None or shared is None:
            self.log.info("ONE", "Bootstrapping OpenNebula database, stage 1.")
            self.make_tables(slave)
        missing = {name: columns for name, columns in schema.LAB.items() if name not in self.database.tables()}
        for statement in schema.create(missing):
            self.database.write(statement)

    def make_tables(self, slave):
        stamp = machine.now()
        statements = schema.create(schema.LOCAL)
        if not slave:
            self.log.info("ONE", "Bootstrapping OpenNebula database, stage 2.")
            statements += schema.create(schema.SHARED)
            statements.append(("INSERT IGNORE INTO db_versioning VALUES (0, %s, %s, 'OpenNebula 5.0.2 daemon bootstrap')", schema.VERSION, stamp))
        statements.append(("INSERT IGNORE INTO local_db_versioning VALUES (0, %s, %s, 'OpenNebula 5.0.2 daemon bootstrap', %s)",
                           schema.VERSION, stamp, int(slave)))
        for statement in statements:        # DDL commits by itself, each table of its own
            self.database.write(statement)

    # -- objects

    def make_objects(self):
        if not self.federation.slave:
            self.make_groups()
            self.make_users()
            self.make_shared()
        self.owner = self.pool("USER").get(0)
        if self.owner is None:
            raise NotStarted("There is no user 0 in user_pool. Check DB replica configuration.")
        self.make_local()
        self.batch.flush()
        key = self.places.auth / "one_key"
        if not key.exists():
            _secret_file(key, secrets.token_hex(20))

    def pool(self, tag):
        return pools.Pool(self.batch, tag)

    def never_filled(self, tag):
        """Tell whether this server never gave an id in that pool: pool_control is local, also on a former slave."""
        return not self.database.rows("SELECT 1 FROM pool_control WHERE tablename = %s", pools.KINDS[tag].table)

    def make_groups(self):
        if not self.never_filled("GROUP"):
            return
        views = body.new("SUNSTONE", DEFAULT_VIEW="cloud", GROUP_ADMIN_DEFAULT_VIEW="groupadmin", GROUP_ADMIN_VIEWS="groupadmin,cloud", VIEWS="cloud")
        try:
            for oid, group in enumerate((pools.group("oneadmin"), pools.group("users", views))):
                if oid == 0:
                    group.find("USERS").extend([body.new("ID"), body.new("ID")])
                    for child, number in zip(group.find("USERS"), (0, 1)):
                        child.text = str(number)
                self.pool("GROUP").insert(group, oid)
                self.batch.write(("REPLACE INTO group_quotas VALUES (%s, %s)", oid, _QUOTAS.format(oid)))
            self.batch.flush()
        except DatabaseError as error:
            self.log.error("ONE", str(error))
            self.log.error("GROUP", "Error trying to create default group: ")
            raise NotStarted("Error trying to create default group: ") from None

    def make_users(self):
        if self.pool("USER").get(0) is not None:
            return
        for name in SERVER_FILES:
            path = self.places.auth / name
            if path.exists():
                text = (f"Password file {path} already exists but OpenNebula is boostraping the database. Check your database configuration in "
                        "oned.conf.")
                self.log.error("ONE", text)
                raise NotStarted(text)
        name, password = self.one_auth()
        server_password = secrets.token_hex(20)
        users = ((name, _sha1(password), "core"), ("serveradmin", _sha1(_sha1(server_password)), "server_cipher"))
        for oid, (who, digest, driver) in enumerate(users):
            self.pool("USER").insert(pools.user(who, digest, driver, 0, "oneadmin", secrets.token_hex(20)), oid)
            self.batch.write(("REPLACE INTO user_quotas VALUES (%s, %s)", oid, _QUOTAS.format(oid)))
        self.batch.flush()
        for file in SERVER_FILES:
            _secret_file(self.places.auth / file, f"serveradmin:{server_password}")

    def one_auth(self):
        path = self.places.auth / "one_auth"
        try:
            name, colon, password = path.read_text(encoding="utf-8").strip().partition(":")
        except OSError as error:
            name, colon, password = "", "", str(error)
        if not (name and colon and password):
            text = f"Could not read {path}: it must hold user:password of the first administrator."
            self.log.error("ONE", text)
            raise NotStarted(text)
        return name, password

    def make_shared(self):
        if self.never_filled("ZONE"):
            self.pool("ZONE").insert(pools.zone("OpenNebula", [_text("ENDPOINT", f"http://localhost:{self.port}/RPC2")]), 0)
        if self.never_filled("VDC"):
            all_clusters = body.new("CLUSTERS", body.new("CLUSTER", ZONE_ID=0, CLUSTER_ID=-10))
            lists = [body.new("GROUPS", ID=1), all_clusters, body.new("HOSTS"), body.new("DATASTORES"), body.new("VNETS")]
            self.pool("VDC").insert(body.new("VDC", *lists, body.new("TEMPLATE", DESCRIPTION=_VDC_TEXT), ID=-1, NAME="default"), 0)
        for oid, rule in enumerate(() if self.database.rows("SELECT 1 FROM acl LIMIT 1") else acl.DEFAULTS):
            self.batch.write(("INSERT INTO acl (oid, user, resource, rights, zone) VALUES (%s, %s, %s, %s, %s)", oid, *rule))
        if self.never_filled("MARKETPLACE"):
            owner = self.pool("USER").get(0)
            market = pools.owned("MARKETPLACE", "OpenNebula Public", owner, body.new("MARKET_MAD"), ZONE_ID=0, TOTAL_MB=0, FREE_MB=0, USED_MB=0)
            market.find("MARKET_MAD").text = "one"
            market.append(body.new("MARKETPLACEAPPS"))
            market.append(pools.permissions("133"))
            body.put(market, "PERMISSIONS/OWNER_A", 1)
            market.append(body.new("TEMPLATE", DESCRIPTION="OpenNebula Systems MarketPlace", MARKET_MAD="one"))
            self.pool("MARKETPLACE").insert(market, 0)

    def make_local(self):
        """Make what every zone has of its own, slaves too."""
        if self.never_filled("CLUSTER"):
            cluster = body.new("CLUSTER", body.new("HOSTS"), body.new("DATASTORES"), body.new("VNETS"), ID=-1, NAME="default")
            for oid in (0, 1, 2):
                body.leaf(cluster.find("DATASTORES"), "ID", oid)
            cluster.append(body.new("TEMPLATE", RESERVED_CPU="", RESERVED_MEM=""))
            self.pool("CLUSTER").insert(cluster, 0)
        if self.never_filled("DATASTORE"):
            for oid, (name, kind, ds_mad, tm_mad) in enumerate((("system", 1, "-", "ssh"), ("default", 0, "fs", "ssh"), ("files", 2, "fs", "ssh"))):
                self.pool("DATASTORE").insert(self.datastore(oid, name, kind, ds_mad, tm_mad), oid)
        if self.never_filled("SECURITY_GROUP"):
            rules = [body.new("RULE", PROTOCOL="ALL", RULE_TYPE=way) for way in ("OUTBOUND", "INBOUND")]
            lists = [body.new(name) for name in ("UPDATED_VMS", "OUTDATED_VMS", "UPDATING_VMS", "ERROR_VMS")]
            group = pools.owned("SECURITY_GROUP", "default", self.owner, pools.permissions("137"), *lists, body.new("TEMPLATE", *rules))
            self.pool("SECURITY_GROUP").insert(group, 0)

    def datastore(self, oid, name, kind, ds_mad, tm_mad):
        element = pools.owned("DATASTORE", name, self.owner, pools.permissions("137"), DS_MAD=ds_mad, TM_MAD=tm_mad,
                              BASE_PATH=f"{self.places.datastores}/{oid}", TYPE=kind, DISK_TYPE=0, STATE=0)
        element.append(body.new("CLUSTERS", ID=0))
        for key, value in (("TOTAL_MB", 20480), ("FREE_MB", 20480), ("USED_MB", 0)):
            body.leaf(element, key, value if kind != 1 else 0)
        element.append(body.new("IMAGES"))
        element.append(body.new("TEMPLATE", TM_MAD=tm_mad, TYPE=("IMAGE_DS", "SYSTEM_DS", "FILE_DS")[kind]))
        return element


def _text(name, value):
    element = body.new(name)
    element.text = value
    return element


def _sha1(text):
    return hashlib.sha1(text.encode()).hexdigest()


def _secret_file(path, text):
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")
