# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an error number of a replication thread means, and what is safe to do about it: the one place that knows.

Facts: MariaDB 10.11.18 and 10.11.19; field note "mariadb", section 5.
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remedy:
    """An entry of the failure catalogue. passing: heals by itself; again: STOP and START of both threads may heal it, and loses nothing;
    verb: which of core.repair.VERBS repairs it, "site" for configuration and accounts, "" when nothing is to be done.

    START alone is not enough: while the SQL thread runs, the IO thread goes on from its own old position (10.11.19).
    """

    errno: int
    thread: str
    text: str
    cause: str
    hint: str
    passing: bool = False
    again: bool = False
    verb: str = ""


CATALOGUE = (
    Remedy(1062, "SQL", "", "a row is there that the source does not know (an errant write), or the histories have parted",
           "Compare the row with the source's; remove it when it is errant, else seed again. Never skip.", verb="remove_row"),
    Remedy(1032, "SQL", "", "a row that the source changes is missing here",
           "Insert the source's current row, then start the source. Never skip.", verb="insert_row"),
    Remedy(1146, "SQL", "", "a table that the source changes is missing here", "Seed it.", verb="reseed_table"),
    Remedy(1950, "SQL", "", "two servers wrote in one GTID domain, or a node was promoted before its relay log was drained",
           "The node that is not the active one is wrong: seed it again from the active one. Never switch gtid_strict_mode off.", verb="reseed_node"),
    # "Since the master's binlog contains GTIDs with higher sequence numbers, it probably means that the slave has diverged"
    Remedy(1236, "IO", "higher sequence numbers", "this node has events that its source never had, and the source has gone on without them: two histories",
           "Seed it again; waiting does not help.", verb="reseed_node"),
    Remedy(1236, "IO", "not in the master's binlog", "this node is ahead of its source, or the source is merely behind",
           "If the source is behind, wait and start again; if it can never have this position (rebuilt, unsynced failover), seed again.",
           again=True, verb="restart"),
    # Slave zones: the position is a filtered event of the master zone, in no binary log here. Seen after each crash of a slave-zone node.
    Remedy(1236, "IO", "missing the GTID", "the source's binary log has a hole at this position",
           "Once the federation channel has passed it, stop and start this source; if that never helps, seed again from the master zone.",
           again=True, verb="restart"),
    # Also a slave zone whose second node was seeded while the master zone wrote: the first asks for less than where the second's binary log begins.
    Remedy(1236, "IO", "Could not find GTID state",
           "the source's binary logs begin after this position: it was seeded later than this node, or has purged them",
           "Once the federation channel has passed it, stop and start this source; if that never helps, seed again, and raise binlog_expire_logs_seconds on "
           "the source.", again=True, verb="reseed_node"),
    Remedy(1236, "IO", "purged", "the source has purged the binary logs that are needed", "Seed again, and raise binlog_expire_logs_seconds on the source.",
           verb="reseed_node"),
    Remedy(1236, "IO", "Could not find first log", "the source has purged the binary log that is needed; its position is a file's",
           "Follow by GTID instead; if the source has purged that, too, seed again.", verb="repoint"),
    Remedy(1236, "IO", "", "the source cannot serve the position that is asked for", "Seed again, unless the source is only behind.", verb="reseed_node"),
    # 10.11.19: one semi-sync state for all connections; the end of one IO thread leaves the headers of the others unread.
    Remedy(1595, "IO", "could not queue event", "another connection of this server was stopped while semi-synchronous replication was on",
           "Stop and start this source; nothing is lost.", again=True, verb="restart"),
    # "Missing magic number for semi-sync packet" in the error log: the other way round, one that begins anew asks all others for such headers.
    Remedy(1593, "IO", "after_read_event", "another connection of this server began semi-synchronous replication anew",
           "Stop and start this source; nothing is lost.", again=True, verb="restart"),
    Remedy(1593, "IO", "equal", "source and replica have the same server_id",
           "Give each server of the federation its own server_id and restart the one that is wrong.", verb="site"),
    Remedy(1593, "IO", "", "the source has no binary log or its settings do not fit", "Look at log_bin and server_id of the source.", verb="site"),
    Remedy(1597, "IO", "", "the replication user may not replicate",
           "On the source: GRANT REPLICATION SLAVE ON *.* to this user for this node's address (database_access).", verb="site"),
    Remedy(1045, "IO", "", "wrong user, password or address, or the user requires TLS and the source is set up without",
           "Check the user and its hosts on the source (database_access) and the password given here.", verb="site"),
    Remedy(1130, "IO", "", "no user on the source may come from this node's address",
           "Add this node's address to the user's hosts on the source (database_access).", verb="site"),
    # Texts of 10.11.19. With the authority unknown and with a certificate that is over, its client says no more than "error:00000000".
    Remedy(2026, "IO", "SSL certificate validation failure", "the source's certificate does not name the address used as host",
           "Give the source a certificate with this address among its subject alternative names; a service address belongs into those of all servers that "
           "may have it.", verb="site"),
    Remedy(2026, "IO", "server does not support it", "the source offers no TLS",
           "Give the source a certificate first, and let its MariaDB run with it.", verb="site"),
    Remedy(2026, "IO", "verify_paths failed", "the file with the authorities cannot be read here", "Correct ssl_ca, or write the file.", verb="site"),
    Remedy(2026, "IO", "", "TLS failed: the source's certificate is over, or of an authority that is not in ssl_ca, or the clocks differ",
           "Look at it on the source (tls_certificate_info, or openssl s_client -starttls mysql), renew it, or correct ssl_ca.", verb="site"),
    Remedy(2003, "IO", "", "nobody answers at the source's address", "Start the source or mend the network; it retries by itself.", passing=True),
    Remedy(2002, "IO", "", "nobody answers at the source's address", "Start the source or mend the network; it retries by itself.", passing=True),
    Remedy(2005, "IO", "", "the source's host name is unknown", "Correct host; an address needs no name service.", passing=True),
    Remedy(2013, "IO", "", "the connection to the source was lost", "Start the source or mend the network; it retries by itself.", passing=True),
    Remedy(2006, "IO", "", "the source closed the connection", "Start the source; it retries by itself.", passing=True),
    Remedy(1158, "IO", "", "the connection to the source was lost", "Mend the network; it retries by itself.", passing=True),
    Remedy(1159, "IO", "", "the connection to the source timed out", "Mend the network; it retries by itself.", passing=True),
    Remedy(1160, "IO", "", "the connection to the source was lost", "Mend the network; it retries by itself.", passing=True),
    Remedy(1040, "IO", "", "the source has no connection free (max_connections)", "End connections there or raise max_connections; it retries by itself.",
           passing=True),
    Remedy(1053, "IO", "", "the source is shutting down", "Wait for it; it retries by itself.", passing=True),
    Remedy(1947, "SQL", "", "gtid_slave_pos was set on a node that writes in this domain",
           "CHANGE MASTER … MASTER_DEMOTE_TO_SLAVE=1 on this node, then start the source again.", verb="demote"),
)
UNKNOWN = Remedy(0, "", "", "this error is not in the catalogue", "Read the message and the server's error log; do not skip events.")


def remedy(errno, text="", thread=""):
    """Return the catalogue's entry for an error; never None."""
    for entry in CATALOGUE:
        if entry.errno == errno and entry.text.lower() in (text or "").lower() and thread in ("", entry.thread):
            return entry
    return UNKNOWN if errno else Remedy(0, "", "", "", "")
