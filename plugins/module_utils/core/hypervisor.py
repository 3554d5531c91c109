# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hypervisors are asked about stuck VMs, and how their answers are read. What follows from them: hypervisor_facts.

A host is asked once for all its VMs, by one shell script on its standard input that only reads (``script``). The host's answer is one text of
sections (``parse``). What an answer does not say to its end is not known: each list in it closes with a line of its own, each table shows its head.

Sources: libvirt calls its save image incomplete until the last byte is written (qemu_saveimage.c; seen with 9.0 as an error of save-image-dumpxml);
qcow2's header has its virtual size in bytes 24 to 31 (qemu, docs/interop/qcow2.txt); qemu-img check tells where the image's data ends (since 1.4), which
older ones do not compare with the file's; -U is known from qemu 2.10 on; the place of disks, checkpoint and disk snapshots from OpenNebula's remotes/tm.
"""
from __future__ import annotations

import re
from collections import namedtuple

LOCATION = "/var/lib/one/datastores"
FRONT_END = "this front-end"        # asked like a host, but not over ssh

# What to look for on one host: the VM's domain, by name or UUID, and in its folder in the system datastore there. wants: letters, f: list the folder,
# q: check qcow2 images, c: judge the checkpoint
Question = namedtuple("Question", "vm name uuid folder wants")
# A file of that folder, "." the folder itself. kind: f, l, d; target_kind: what a link ends at (N: nothing); virtual: bytes a qcow2 image claims;
# sound: whether it passed its check; link: what a link says; mtime: of the file at the end of a link
File = namedtuple("File", "kind target_kind size virtual sound link mtime", defaults=(None, None, "", None))
# One host's answer. domains: name → state of virsh, None when libvirt did not answer; uuids: UUID → name; guests: names of qemu processes;
# jobs: name → whether it has a job; disks, nics: name → words of that table; busy: ids of VMs that something works on, None when that cannot be seen;
# folders: path → name → File, {} where its datastore does not have it, None where that was not seen; empty: paths whose datastore has nothing at all, as
# the place of a mount that is missing has; checkpoints: path → complete, missing or unknown; stored: (datastore, VM) → Stored, of every VM's folder in the
# datastores listed for leftovers, {} when none were
Report = namedtuple("Report", "domains uuids guests jobs disks nics busy folders empty checkpoints stored", defaults=({},))
# local: its file system is of a kind that one host has for itself; open: some process, a domain's too, has something in it; written: of the folder,
# as find says it; kib: None when it could not be measured
Stored = namedtuple("Stored", "local open age_s written inode kib")

_DOMAIN_ITSELF = ("qemu-kvm", "kvm", "qemu")     # and qemu-system-…; but qemu-img and qemu-nbd work on disks
_ACTION = re.compile(r"/vmm/[\w-]+/(?!poll\b)[\w-]+")      # scripts of the virtualization driver; poll only looks
_LOCAL = ("ext2/ext3", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "overlayfs", "tmpfs")       # as stat -f calls them

SCRIPT = r"""
export LC_ALL=C
set -f
section() { printf '\n== %s\n' "$1"; }
ask_libvirt() { timeout -k 1 "$limit" virsh --connect "$uri" "$@" < /dev/null; }

section domains
ask_libvirt --readonly list --all && uuids=$(ask_libvirt --readonly list --all --uuid) && present=$(ask_libvirt --readonly list --name) && section domains-end

section details
commands=$(printf '%s\n' "$vms" | while IFS='	' read -r vm name uuid rest; do
    case "
$uuids
" in *"
$uuid
"*) printf 'echo ^ %s; domname %s; ' "$uuid" "$uuid" ;; esac
    case "
$present
" in *"
$name
"*) key=$name ;; *) case "
$uuids
" in *"
$uuid
"*) key=$uuid ;; *) continue ;; esac ;; esac
    printf 'echo @ %s; domjobinfo %s; domblklist %s; domiflist %s; ' "$key" "$key" "$key" "$key"
done)
[ -z "$commands" ] || ask_libvirt --readonly "$commands"

section stores
stores=$(printf '%s\n' "$vms" | cut -f4 | sed 's|/[^/]*$||' | sort -u)
aliases=$(printf '%s\n' "$stores" | while read -r store; do
    [ -d "$store" ] && printf '%s\t%s\n' "$store" "$(readlink -f "$store")"
done)
printf '%s\n' "$aliases"
listed=$(for number in $list; do [ -d "$location/$number" ] && readlink -f "$location/$number"; done)

section processes
set --
for place in $(printf '%s\n' "$aliases" | cut -f2 | sort -u) $listed "$location"; do
    [ $# -eq 0 ] || set -- "$@" -o
    set -- "$@" -lname "$place/*" -o -lname "$place"
done
set +f
[ -e /proc/self/fd ] && [ "$(find /proc/self/fd -maxdepth 0 ! -lname x -printf y 2> /dev/null)" = y ] && grep -aq . /proc/self/comm && {
    find /proc/[0-9]*/fd /proc/[0-9]*/cwd \( "$@" \) -printf '%p\t%l\n' 2> /dev/null
    grep -a -H . /proc/[0-9]*/comm 2> /dev/null | sed 's/^\([^:]*\):/\1\t/'
    grep -a -H -e "datastores/" -e "guest=" -e "one-[0-9]" -e "/vmm/" -e "$location" /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' ' ' | sed 's/^\([^:]*\):/\1\t/'
    section processes-end
}
set -f

section files
printf '%s\n' "$vms" | while IFS='	' read -r vm name uuid folder wants; do
    case $wants in *f*) ;; *) continue ;; esac
    if [ -d "$folder" ]; then
        find -H "$folder" -maxdepth 2 -printf '%p\t%y\t%Y\t%s\t%l\n' && printf '%s\t.\n' "$folder"
    else
        all=$(ls -A "${folder%/*}") && case "
$all
" in "

") printf '%s\tempty\n' "$folder" ;; *"
${folder##*/}
"*) ;; *) printf '%s\tabsent\n' "$folder" ;; esac
    fi
done

section heads
printf '%s\n' "$vms" | while IFS='	' read -r vm name uuid folder wants; do
    case $wants in *f*) ;; *) continue ;; esac
    set +f
    for file in "$folder"/checkpoint "$folder"/disk.* "$folder"/disk.*.snap/*; do
        [ -f "$file" ] || continue
        head=$(od -An -v -tx1 -N 32 "$file" 2> /dev/null | tr -d ' \n')
        sound=-
        end=-
        case $wants:$head in *q*:514649fb*)
            said=$(timeout -k 1 "$limit" qemu-img check -U --output=json "$file" 2> /dev/null)
            sound=$?
            [ "$sound" != 1 ] || { said=$(timeout -k 1 "$limit" qemu-img check --output=json "$file" 2> /dev/null); sound=$?; }
            end=$(printf '%s\n' "$said" | sed -n 's/.*"image-end-offset": *\([0-9]*\).*/\1/p') ;;
        esac
        case $wants:$file in *c*:*/checkpoint)
            # only libvirt can read what libvirt wrote; it needs more than a read-only connection for it
            said=$(ask_libvirt save-image-dumpxml "$file" 2>&1 > /dev/null) && sound=saved
            case $said in *incomplete*|*"failed to read"*|*magic*) sound=broken ;; esac ;;
        esac
        printf '%s\t%s\t%s\t%s\t%s\n' "$file" "$head" "$sound" "$(stat -L -c '%s	%Y' "$file" 2> /dev/null)" "${end:--}"
    done
    set -f
done

section stored
for number in $list; do
    store=$location/$number
    [ -d "$store" ] && kind=$(timeout -k 1 "$limit" stat -f -c %T "$store/") || continue
    printf 'store\t%s\t%s\t%s\t%s\n' "$number" "$(readlink -f "$store")" "$kind" "$(date +%s)"
    timeout -k 1 "$limit" find -H "$store" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' ! -name '*[!0-9]*' -printf '%f\t%T@\t%i\n' && echo whole
    timeout -k 1 5 du -x -k --max-depth=1 "$store/" 2> /dev/null
done
section end
"""


def script(questions, uri="qemu:///system", location=LOCATION, limit_s=20, stores=()):
    """Return the shell text that answers the questions. Names and folders are ours (numbers in fixed places), still they are quoted.

    stores: numbers of the datastores in which all VMs' folders are listed.
    """
    lines = "\n".join("\t".join("-" if part == "" else str(part) for part in question) for question in questions)
    listed = " ".join(str(int(number)) for number in stores)
    return "\n".join((f"vms={_quoted(lines)}", f"uri={_quoted(uri)}", f"location={_quoted(location)}", f"limit={int(limit_s)}", f"list='{listed}'")) + SCRIPT


def _quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


# --- reading -----------------------------------------------------------------------------------------------------------------

def parse(text, questions, location=LOCATION):
    """Return the Report of one host, or None for an answer that was cut off."""
    parts = re.split(r"\n== ([a-z-]+)\n", "\n" + text.replace("\r\n", "\n"))
    sections = dict(zip(parts[1::2], parts[2::2]))
    if "end" not in sections:
        return None
    domains = _domains(sections["domains"]) if "domains-end" in sections else None
    stores = _stores(sections["stores"])
    busy, guests = _processes(sections["processes"], stores, questions) if "processes-end" in sections else (None, set())
    uuids, tables = _details(sections["details"])
    stored = _stored(sections.get("stored", ""), sections["processes"], location)
    return Report(domains, uuids, guests, *tables, busy, *_files(sections["files"], sections["heads"], questions), stored)


def _domains(text):
    """Read the table of 'virsh list --all': Id, Name, State; a name has no blanks, a state may."""
    rows = (line.split(None, 2) for line in text.splitlines())
    return {row[1]: row[2].strip() for row in rows if len(row) == 3 and (row[0] == "-" or row[0].isdigit())}


def _details(text):
    """Read the names of UUIDs, and domjobinfo, domblklist and domiflist of each domain that is there. Only a table with its head was answered."""
    uuids, jobs, disks, nics = {}, {}, {}, {}
    name = uuid = table = None
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "^" and len(words) == 2:
            name, uuid, table = None, words[1], None
            uuids[uuid] = ""
        elif words[0] == "@" and len(words) == 2:
            name, uuid, table = uuids.get(words[1]) or words[1], None, None
        elif uuid and not uuids[uuid]:
            uuids[uuid] = line.strip()
        elif name and line.startswith("Job type:"):
            jobs[name] = words[-1] not in ("None", "Completed")
        elif name and words[:2] == ["Target", "Source"]:
            table = disks.setdefault(name, set())
        elif name and words[:2] == ["Interface", "Type"]:
            table = nics.setdefault(name, set())
        elif table is not None:
            table.update(word.lower() if ":" in word else word for word in words)
    return uuids, (jobs, disks, nics)


def _stores(text):
    """Return datastore directory → where it really is."""
    return dict(line.split("\t") for line in text.splitlines() if line.count("\t") == 1)


def _processes(text, stores, questions):
    """Return the ids of VMs in whose folder some process that is not the VM itself has something open or is named with it, and the guests of qemu."""
    commands, places, arguments = {}, {}, {}
    for line in text.splitlines():
        path, unused, rest = line.partition("\t")
        found = re.match(r"/proc/(\d+)/(comm|cmdline|fd|cwd)", path)
        if found and found.group(2) == "comm":
            commands[found.group(1)] = rest
        elif found and found.group(2) == "cmdline":
            arguments[found.group(1)] = rest
        elif found:
            places.setdefault(found.group(1), []).append(rest)
    aliases = {alias: store for store, real in stores.items() for alias in (store, real)}
    busy, guests = set(), set()
    for process in set(places) | set(arguments):
        command, said = commands.get(process, ""), arguments.get(process, "")
        if command.startswith("qemu-system") or command in _DOMAIN_ITSELF:
            guests.update(re.findall(r"-name (?:guest=)?([A-Za-z0-9._-]+)", said))
        else:
            busy |= _works_on(command, said, places.get(process, ()), aliases, questions)
    return busy, guests


def _works_on(command, said, places, aliases, questions):
    paths = " ".join((said, *places))
    acting = _ACTION.search(said)
    found = {int(number) for alias in aliases for number in re.findall(re.escape(alias) + r"/+(\d+)(?=/|\s|$)", paths)}
    if command == "tar" and not found:
        # tm/ssh/mv: 'tar -C <datastore> -cf - <VM>' names the VM, 'tar -C <datastore> -xf -' does not, and has no file open between two
        inside = {store for alias, store in aliases.items() if re.search(r"-C " + re.escape(alias) + r"/?(\s|$)", said)}
        found = {int(word) for word in said.split() if word.isdigit()} if inside else set()
        return found or {question.vm for question in questions if question.folder.rpartition("/")[0] in inside}
    return found | (_acts_on(said[acting.start():]) if acting else set())


def _acts_on(said):
    """Return the VMs that an action of a virtualization driver is for: … one-<id> … <id> <host>."""
    return {int(number) for number in re.findall(r"\bone-(\d+)\b", said)} | {int(word) for word in said.split()[-2:-1] if word.isdigit()}


def _stored(text, processes, location):
    """Read the listings of whole datastores; one that broke off, or into which something unpacks that does not say what, lists nothing."""
    found = {}
    for part in re.split(r"(?m)^store\t", text)[1:]:
        head = re.match(r"(\d+)\t(\S+)\t(\S+)\t(\d+)\n", part)
        if head is None or not re.search(r"(?m)^whole$", part):
            continue
        number, real, kind, now = head.groups()
        places = "|".join(map(re.escape, (f"{location}/{number}", real)))
        if re.search(rf"-C (?:{places})/?(\s|$)", processes):
            continue                                    # tar: the VM is not always in its command
        held = set(re.findall(rf"(?:{places})/+(\d+)", processes))
        sizes = {name: int(kib) for kib, name in re.findall(r"(?m)^(\d+)\t/.*/(\d+)$", part)}
        for name, written, inode in re.findall(r"(?m)^(0|[1-9]\d*)\t(\d+(?:\.\d+)?)\t(\d+)$", part):
            age_s = max(0, int(now) - int(float(written)))
            found[int(number), int(name)] = Stored(kind in _LOCAL, name in held, age_s, written, inode, sizes.get(name))
    return found


def _files(listing, heads, questions):
    known = {line.split("\t")[0]: line.split("\t")[1:] for line in heads.splitlines()}
    asked = {question.folder for question in questions}
    folders, empty, checkpoints, found = dict.fromkeys(asked), set(), {}, {}
    for line in listing.splitlines():
        words = line.split("\t")
        if words[1:] == ["."]:
            folders[words[0]] = found.get(words[0], {})
        elif words[1:] in (["absent"], ["empty"]):
            folders[words[0]] = {}
            empty |= {words[0]} if words[1] == "empty" else set()
        elif len(words) == 5:
            folder, name = _split(words[0], asked)
            found.setdefault(folder, {})[name] = _file(words, known.get(words[0], ()))
            if name == "checkpoint":
                checkpoints[folder] = {"saved": "complete", "broken": "missing"}.get((known.get(words[0]) or ["", ""])[1], "unknown")
    return folders, empty, checkpoints


def _split(path, folders):
    """Return the asked folder that a path lies in, and its name there."""
    parts = path.split("/")
    for cut in (len(parts), len(parts) - 1, len(parts) - 2):
        folder = "/".join(parts[:cut])
        if folder in folders:
            return folder, "/".join(parts[cut:]) or "."
    return None, ""


def _file(words, more):
    unused, kind, target_kind, size, link = words
    head, sound, real_size, mtime, end = (list(more) + ["", "-", "", "", "-"])[:5] if len(more) >= 5 else ("", "-", "", "", "-")
    size = int(real_size or size or 0) if target_kind == "f" else int(size or 0)
    if not head.startswith("514649fb"):
        return File(kind, target_kind, size, None, None, link, int(mtime or 0) or None)
    cluster = 1 << min(int(head[40:48] or "0", 16), 21)
    ends = end.isdigit() and size > int(end) - cluster                  # the last cluster need not be filled
    # 3: leaked clusters, which are no damage
    return File(kind, target_kind, size, int(head[48:64] or "0", 16), sound in ("0", "3") and ends, link, int(mtime or 0) or None)
