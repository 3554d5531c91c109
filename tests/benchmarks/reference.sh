#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What playbooks/site.yml does, typed as the bare commands of a procedure on paper: the yardstick of tests/benchmarks/site.py.
# It ends in the same state on the same lab, but for the rejoin gate and the fencing alert, and assumes that every command works: no reading
# first, no second run, no checks on the way, passwords in plain sight. For a laboratory only.
#
#     LAB_NET=10.90 LAB_KEY=molecule/lab/.state/constellation/id_ed25519 FENCE_PASSWORD=… SSH=ssh tests/benchmarks/reference.sh [cluster beta1]
set -euo pipefail
cd "$(dirname "$0")/../.."

NET=${LAB_NET:-10.90} BMC=${LAB_BMC_NET:-10.91} SSH=${SSH:-ssh}
DB_PASSWORD=CANARY-db-6f1c REPL_PASSWORD=CANARY-repl-83ad ONE_PASSWORD=CANARY-oneadmin-2b97 HA_PASSWORD=CANARY-hacluster-c05e
declare -A ADDRESS=([alpha1]=$NET.1.11 [alpha2]=$NET.1.12 [beta1]=$NET.2.11 [beta2]=$NET.2.12)
declare -A PEER=([alpha1]=alpha2 [alpha2]=alpha1 [beta1]=beta2 [beta2]=beta1)
declare -A SERVER_ID=([alpha1]=1 [alpha2]=2 [beta1]=10001 [beta2]=10002) ZONE=([alpha1]=0 [alpha2]=0 [beta1]=100 [beta2]=100)
declare -A CHANNEL=([alpha1]=zone0-slave [alpha2]=zone0-master [beta1]=zone100-slave [beta2]=zone100-master)
declare -A VIP=([alpha1]=$NET.1.100 [beta1]=$NET.2.100)
TABLES="user_pool group_pool marketplace_pool marketplaceapp_pool vdc_pool zone_pool db_versioning acl"
SERVICES="opennebula opennebula-sunstone opennebula-gate opennebula-flow opennebula-novnc"

on() { # NODE: run the commands of standard input there, over a kept connection
  "$SSH" -i "$LAB_KEY" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ControlMaster=auto -o ControlPersist=60s \
    -o ControlPath="$CONTROL_DIR/%h" "root@${ADDRESS[$1]}" 'bash -euo pipefail -s'
}
everywhere() { # FUNCTION: its text for each node, all nodes at once
  local node
  local -a pids=()
  for node in alpha1 alpha2 beta1 beta2; do
    "$1" "$node" | on "$node" >"$CONTROL_DIR/$node.out" 2>&1 &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || { cat "$CONTROL_DIR"/*.out >&2; exit 1; }; done
}
step() { printf '[%3d s] %s\n' "$SECONDS" "$1"; }
CONTROL_DIR=$(mktemp -d)
trap 'rm -rf "$CONTROL_DIR"' EXIT

install_packages() {
  echo "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install mariadb-server mariadb-backup python3-pymysql pacemaker corosync pcs fence-agents resource-agents $SERVICES"
  echo "systemctl disable --now $SERVICES || true"
}

configure_mariadb() {
  local node=$1 peer=${PEER[$1]} slave=0 client clients=("${ADDRESS[${PEER[$1]}]}")
  [ "${ZONE[$node]}" = 0 ] && clients+=("${ADDRESS[beta1]}" "${ADDRESS[beta2]}") || slave=1
  cat <<COMMANDS
systemctl mask --now mariadb.socket
cat >/etc/mysql/mariadb.conf.d/90-reference.cnf <<CNF
[mysqld]
bind-address=0.0.0.0
skip-name-resolve=1
read_only=1
server-id=${SERVER_ID[$node]}
gtid_domain_id=${ZONE[$node]}
gtid_strict_mode=1
gtid_ignore_duplicates=$slave
log-bin=mysql-bin
relay-log=mysql-relay
binlog-do-db=opennebula
binlog_format=ROW
log_slave_updates=1
sync_binlog=1
innodb_flush_log_at_trx_commit=1
binlog_expire_logs_seconds=864000
relay_log_recovery=1
slave_net_timeout=10
init-rpl-role=SLAVE
rpl_semi_sync_slave_enabled=1
rpl_semi_sync_master_enabled=0
rpl_semi_sync_master_wait_point=AFTER_SYNC
rpl_semi_sync_master_timeout=30000
$([ $slave = 1 ] && for table in $TABLES; do echo "zone0.replicate-do-table=opennebula.$table"; done)
CNF
systemctl enable mariadb
systemctl restart mariadb
mariadb <<SQL
SET sql_log_bin=0;
CREATE DATABASE opennebula;
GRANT ALL ON opennebula.* TO oneadmin@localhost IDENTIFIED BY '$DB_PASSWORD';
$(for client in "${clients[@]}"; do
    echo "GRANT REPLICATION SLAVE ON *.* TO opennebula_repl@'$client' IDENTIFIED BY '$REPL_PASSWORD';"
    echo "GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO opennebula_gate@'$client' IDENTIFIED BY '$REPL_PASSWORD';"
  done)
CHANGE MASTER '${CHANNEL[$node]}' TO MASTER_HOST='${ADDRESS[$peer]}', MASTER_USER='opennebula_repl', MASTER_PASSWORD='$REPL_PASSWORD', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2;
SQL
install -d -m 700 /etc/constellation
(umask 077; printf '[client]\nuser=opennebula_gate\npassword=%s\n' '$REPL_PASSWORD' >/etc/constellation/gate.cnf)
mkdir -p /usr/lib/ocf/resource.d/constellation
base64 -d >/usr/lib/ocf/resource.d/constellation/mariadb-writer <<AGENT
$(base64 roles/database/files/mariadb-writer)
AGENT
chmod 755 /usr/lib/ocf/resource.d/constellation/mariadb-writer
COMMANDS
}

start_pair() { echo "mariadb -e \"START SLAVE '${CHANNEL[$1]}'\""; }

configure_opennebula() {
  local mode=MASTER master=""
  [ "${ZONE[$1]}" = 0 ] || mode=SLAVE master=", MASTER_ONED = \"http://$NET.1.100:2633/RPC2\""
  cat <<COMMANDS
install -d -o oneadmin -g oneadmin -m 700 /var/lib/one/.one
(umask 077; echo 'oneadmin:$ONE_PASSWORD' >/var/lib/one/.one/one_auth; chown oneadmin: /var/lib/one/.one/one_auth)
python3 - <<'PYTHON'
import re
path = "/etc/one/oned.conf"
text = open(path).read()
text = re.sub(r'(?ms)^DB *= *\[.*?\]', 'DB = [ BACKEND = "mysql", SERVER = "localhost", PORT = 0, USER = "oneadmin", PASSWD = "$DB_PASSWORD", DB_NAME = "opennebula" ]', text, count=1)
text = re.sub(r'(?ms)^FEDERATION *= *\[.*?\]', 'FEDERATION = [ MODE = "$mode", ZONE_ID = ${ZONE[$1]}$master ]', text, count=1)
open(path, "w").write(text)
PYTHON
chgrp oneadmin /etc/one/oned.conf && chmod 640 /etc/one/oned.conf
COMMANDS
}

bootstrap_master() {
  cat <<COMMANDS
mariadb -e 'SET GLOBAL read_only=0'
systemctl start opennebula
call() { curl -sf -H 'Content-Type: text/xml' --data-binary @- http://127.0.0.1:2633/RPC2; }
text() { echo "<param><value><string>\$1</string></value></param>"; }
int() { echo "<param><value><i4>\$1</i4></value></param>"; }
ask() { echo "<?xml version='1.0'?><methodCall><methodName>\$1</methodName><params>\$(text 'oneadmin:$ONE_PASSWORD')\$2</params></methodCall>" | call; }
for try in \$(seq 100); do ask one.system.version '' >/dev/null && break; sleep 0.2; done
ask one.zone.update "\$(int 0)\$(text 'ENDPOINT=&quot;http://$NET.1.100:2633/RPC2&quot;')\$(int 1)" >/dev/null
ask one.zone.allocate "\$(text 'NAME=&quot;beta&quot; ENDPOINT=&quot;http://$NET.2.100:2633/RPC2&quot;')\$(int -1)" >/dev/null
systemctl stop opennebula
mariadb -e 'SET GLOBAL read_only=1'
COMMANDS
}

seed_slave_zone() {
  [ "${ZONE[$1]}" = 100 ] || return 0
  echo "base64 -d >/run/federated.sql <<DUMP"
  base64 "$CONTROL_DIR/federated.sql"
  cat <<COMMANDS
DUMP
position=\$(sed -n "s/.*gtid_slave_pos='\([^']*\)'.*/\1/p" /run/federated.sql)
(echo 'SET sql_log_bin=0;'; cat /run/federated.sql) | mariadb opennebula
mariadb -e "STOP ALL SLAVES; SET GLOBAL gtid_slave_pos='\$position'; CHANGE MASTER 'zone0' TO MASTER_HOST='$NET.1.101', MASTER_USER='opennebula_repl', MASTER_PASSWORD='$REPL_PASSWORD', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2; START ALL SLAVES"
rm /run/federated.sql
COMMANDS
}

prepare_cluster() {
  echo "echo 'hacluster:$HA_PASSWORD' | chpasswd; systemctl enable --now pcsd; systemctl disable corosync pacemaker"
}

build_cluster() { # FIRST NODE: on that node, for its zone
  local first=$1 second=${PEER[$1]} octet=1 service
  [ "${ZONE[$first]}" = 0 ] || octet=2
  cat <<COMMANDS
pcs host auth $first addr=${ADDRESS[$first]} $second addr=${ADDRESS[$second]} -u hacluster -p '$HA_PASSWORD'
pcs cluster setup one-${first%1} $first addr=${ADDRESS[$first]} $second addr=${ADDRESS[$second]}
pcs cluster start --all --wait=60
pcs property set dc-deadtime=5s no-quorum-policy=stop stonith-enabled=true priority-fencing-delay=5s
$(for node in "$first" "$second"; do
    echo "pcs stonith create fence_$node fence_ilo_ssh pcmk_host_list=$node ip=$BMC.$octet.11${node: -1} username=fence password='$FENCE_PASSWORD' ssh=1 power_wait=1" \
      "pcmk_reboot_action=off ssh_options='-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null' op monitor interval=20s meta failure-timeout=60s"
    echo "pcs constraint location fence_$node avoids $node"
  done)
pcs resource create zone_vip ocf:heartbeat:IPaddr2 ip=${VIP[$first]} cidr_netmask=16 op monitor interval=10s --group opennebula_zone
pcs resource create database_writer ocf:constellation:mariadb-writer op monitor interval=10s --group opennebula_zone
pcs resource create opennebula systemd:opennebula op monitor interval=10s meta priority=10 --group opennebula_zone
$(for service in $SERVICES; do
    [ "$service" = opennebula ] && continue
    echo "pcs resource create $service systemd:$service op monitor interval=10s"
    echo "pcs constraint colocation add $service with opennebula_zone INFINITY"
    echo "pcs constraint order opennebula_zone then $service"
  done)
$(if [ "$octet" = 1 ]; then
    echo "pcs resource create federation_vip ocf:heartbeat:IPaddr2 ip=$NET.1.101 cidr_netmask=16 op monitor interval=10s"
    echo "pcs constraint colocation add federation_vip with zone_vip score=-1000"
  fi)
crm_resource --wait --timeout=120
COMMANDS
}

if [ "${1:-}" = cluster ]; then                          # the cluster part alone, of the zone of this node (cluster.py)
  for node in "$2" "${PEER[$2]}"; do prepare_cluster | on "$node"; done
  build_cluster "$2" | on "$2"
  exit
fi

step "packages"
everywhere install_packages
step "MariaDB: settings, accounts, sources"
everywhere configure_mariadb
everywhere start_pair
step "OpenNebula: settings"
everywhere configure_opennebula
step "bootstrap of the master zone, zones"
bootstrap_master | on alpha1
step "seed of the slave zone"
echo "mariadb-dump --single-transaction --gtid --master-data=2 opennebula $TABLES" | on alpha1 >"$CONTROL_DIR/federated.sql"
everywhere seed_slave_zone
echo "tar -C /var/lib/one/.one -cf - --exclude=one_key . | base64" | on alpha1 >"$CONTROL_DIR/auth"
for node in alpha2 beta1 beta2; do
  { echo "base64 -d <<TAR | tar -C /var/lib/one/.one -xpf -"; cat "$CONTROL_DIR/auth"; echo TAR; } | on "$node" &
done
wait
step "clusters"
everywhere prepare_cluster
build_cluster alpha1 | on alpha1 >"$CONTROL_DIR/alpha.out" 2>&1 & alpha=$!
build_cluster beta1 | on beta1 >"$CONTROL_DIR/beta.out" 2>&1 & beta=$!
wait "$alpha" || { cat "$CONTROL_DIR/alpha.out"; exit 1; }
wait "$beta" || { cat "$CONTROL_DIR/beta.out"; exit 1; }
step "the zones answer"
for vip in "${VIP[@]}"; do
  for try in $(seq 100); do
    (: </dev/tcp/"$vip"/2633) 2>/dev/null && continue 2
    sleep 0.3
  done
  echo "$vip does not answer after $try tries" >&2
  exit 1
done
step "done"
