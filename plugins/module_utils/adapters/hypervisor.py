# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypervisors, asked over ssh as the daemon's user: one session and one script per host, many hosts at a time. Returns text, decides nothing.

paramiko and tenacity are looked for when the first host is asked, so that everything else works where they are not installed. Settings, keys and known
hosts are oneadmin's own (config, id_*, known_hosts in its .ssh), because a host that OpenNebula's drivers reach is to be reached in the same way.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import pathlib
import socket
import subprocess
import time

from ..core.errors import CoreError
from ..core.hypervisor import FRONT_END

PORT = 22
ATTEMPTS = 3
KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
MOST_BYTES = 32 << 20               # of one host's answer
UNREAD = "Mend the file (config, known_hosts or a key), or name another folder (ssh_directory)."
INSTALL = "Install python3-paramiko and python3-tenacity on this front-end, or leave the hypervisors out (ask_hypervisors: false)."


class Hypervisors:
    """Hosts of one zone. directory: oneadmin's .ssh; timeout_s: for the connection; answer_timeout_s: for the script, whatever it asks."""

    def __init__(self, user="oneadmin", directory="/var/lib/one/.ssh", timeout_s=10, answer_timeout_s=120, sessions=16):
        self.user, self.directory, self.timeout_s, self.answer_timeout_s = user, pathlib.Path(directory), timeout_s, answer_timeout_s
        self.sessions = sessions

    @classmethod
    def from_params(cls, params):
        """Return the hypervisors as a module's options want them asked, None when they are to be left alone."""
        if not params["ask_hypervisors"]:
            return None
        return cls(params["ssh_user"], params["ssh_directory"], params["ssh_timeout_s"], sessions=params["ssh_sessions"])

    def ask(self, scripts):
        """Run host → script text on each host; return host → the answer's text, or the CoreError that says why there is none."""
        if not scripts:
            return {}
        libraries = _libraries()
        settings = self._settings(libraries[0])
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(self.sessions, len(scripts)))) as pool:
            asked = {host: pool.submit(self._ask_here, text) if host == FRONT_END else pool.submit(self._ask, libraries, settings, host, text)
                     for host, text in scripts.items()}
        return {host: future.result() for host, future in asked.items()}

    def _ask_here(self, text):
        try:
            done = subprocess.run(["sh", "-s"], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  timeout=self.answer_timeout_s, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return CoreError("it cannot be asked", FRONT_END, _why(error))
        return done.stdout.decode("utf-8", "replace")

    def _settings(self, paramiko):
        """Return oneadmin's ssh config, or the error that says why it cannot be read: paramiko knows less of its grammar than ssh does."""
        path = self.directory / "config"
        try:
            return paramiko.SSHConfig.from_path(str(path))
        except OSError:
            return paramiko.SSHConfig()
        except (paramiko.SSHException, ValueError) as error:
            return CoreError("it cannot be asked", str(path), f"paramiko does not understand this file: {_why(error)}", UNREAD)

    def _ask(self, libraries, settings, host, text):
        if isinstance(settings, CoreError):
            return settings
        paramiko, tenacity = libraries
        lost = (OSError, EOFError, paramiko.SSHException)
        # what another attempt does not change
        final = (paramiko.AuthenticationException, paramiko.BadHostKeyException, UnknownHostKey, socket.gaierror)
        again = tenacity.Retrying(stop=tenacity.stop_after_attempt(ATTEMPTS), wait=tenacity.wait_random_exponential(multiplier=0.3, max=3), reraise=True,
                                  retry=tenacity.retry_if_exception(lambda error: isinstance(error, lost) and not isinstance(error, final)))
        try:
            client = again(self._connect, paramiko, settings.lookup(host), host)
            with contextlib.closing(client):
                return self._run(client, text)
        except UnknownHostKey:
            return CoreError("its ssh host key is not known", host, f"it is not in {self.directory}/known_hosts",
                             "Log in once as oneadmin, or collect the keys with ssh-keyscan, as OpenNebula needs them too.")
        except paramiko.BadHostKeyException:
            return CoreError("its ssh host key is another one than before", host, f"it differs from {self.directory}/known_hosts",
                             "Find out why (reinstalled, or somebody in between), then mend known_hosts.")
        except paramiko.AuthenticationException:
            return CoreError("it does not let us in", host, f"{self.user} with the keys in {self.directory} is refused",
                             "OpenNebula's own drivers need the same login: see 'ssh HOST' as oneadmin.")
        except socket.gaierror as error:
            return CoreError("its name is not known", host, error.strerror or str(error), "Put it into DNS or /etc/hosts of the front-end.")
        except lost as error:
            return CoreError("it cannot be asked", host, _why(error), "Is it up, and is it reachable from this front-end?")
        except (paramiko.hostkeys.InvalidHostKey, ValueError, ImportError) as error:
            # a line of known_hosts, a key, a port that is no number, a Match exec without its library
            return CoreError("it cannot be asked", host, f"paramiko does not understand what is in {self.directory}: {_why(error)}", UNREAD)

    def _connect(self, paramiko, options, host):
        client = paramiko.SSHClient()
        with contextlib.suppress(OSError):
            client.load_host_keys(str(self.directory / "known_hosts"))
        lenient = str(options.get("stricthostkeychecking", "")).lower() in ("no", "off", "accept-new")
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy() if lenient else _Refuse())
        client._host_keys_filename = None           # pylint: disable=protected-access  # what is accepted leniently is not written down by us
        keys = options.get("identityfile") or [str(self.directory / name) for name in KEYS]
        try:
            client.connect(options.get("hostname", host), port=int(options.get("port", PORT)), username=options.get("user", self.user),
                           key_filename=[key for key in keys if pathlib.Path(key).is_file()], timeout=self.timeout_s, banner_timeout=self.timeout_s,
                           auth_timeout=self.timeout_s, allow_agent=False, look_for_keys=False)
        except BaseException:
            client.close()
            raise
        return client

    def _run(self, client, text):
        """Feed the script to a shell there; what it says comes back whole, or not at all."""
        deadline = time.monotonic() + self.answer_timeout_s
        channel = client.get_transport().open_session(timeout=self.timeout_s)
        channel.settimeout(self.timeout_s)
        channel.exec_command("exec sh -s")
        channel.sendall(text.encode())
        channel.shutdown_write()
        answer = bytearray()
        while True:
            try:
                block = channel.recv(1 << 16)
            except socket.timeout:
                block = None
            if block == b"":
                return answer.decode("utf-8", "replace")
            answer += block or b""
            while channel.recv_stderr_ready():
                channel.recv_stderr(1 << 16)
            if time.monotonic() > deadline:
                raise OSError(f"no whole answer within {self.answer_timeout_s} s")
            if len(answer) > MOST_BYTES:
                raise OSError("it answers without an end")


class UnknownHostKey(Exception):
    """The host's key is nowhere in known_hosts."""


class _Refuse:
    def missing_host_key(self, client, hostname, key):
        raise UnknownHostKey(hostname)


def _libraries():
    try:
        import paramiko         # pylint: disable=import-outside-toplevel
        import tenacity         # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise CoreError("the hypervisors cannot be asked", "", f"this front-end has no Python library {error.name}", INSTALL) from None
    logging.getLogger("paramiko").addHandler(logging.NullHandler())         # else a host that refuses is a traceback on the module's stderr
    return paramiko, tenacity


def _why(error):
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
