#!/usr/bin/env bash
# Starts Slurm on this machine alone, for the tests marked `slurm`: a controller and one node, without systemd.
#
#   tools/start-slurm.sh           install the packages if they are missing (Debian, as root), and start
#   tools/start-slurm.sh stop      end what was started
#
# Everything it writes is in ${TMPDIR:-/tmp}/wilks-slurm, except the configuration, /etc/slurm/slurm.conf, and the key of
# munge. It refuses to touch a machine that has a Slurm of its own. Once the client of Slurm is installed, the mpiexec of
# MPICH starts its processes by srun; HYDRA_LAUNCHER=fork keeps it from that.
set -euo pipefail

folder=${TMPDIR:-/tmp}/wilks-slurm
config=/etc/slurm/slurm.conf
mark="# written by wilks tools/start-slurm.sh"

fail() {
  echo "start-slurm: $1" >&2
  exit 1
}

end_daemon() { # name of the pid file
  if [[ -s $folder/$1.pid ]]; then
    kill "$(cat "$folder/$1.pid")" 2>/dev/null || true
    rm -f "$folder/$1.pid"
  fi
}

if [[ ${1:-} == stop ]]; then
  for daemon in slurmd slurmctld munged; do end_daemon "$daemon"; done
  exit 0
fi

[[ $EUID -eq 0 ]] || fail "needs root"
if [[ -e $config ]] && ! grep -qF "$mark" "$config"; then
  if sinfo --noheader >/dev/null 2>&1; then
    echo "start-slurm: this machine has a Slurm that answers; nothing to do"
    exit 0
  fi
  fail "$config is not ours; start the Slurm of this machine by its own means"
fi
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
  command -v apt-get >/dev/null || fail "install slurmctld, slurmd, the client of Slurm and munge by hand"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet --quiet
  apt-get install --quiet --quiet --yes --no-install-recommends slurmctld slurmd slurm-client munge
fi

node=$(hostname -s)
mkdir -p "$folder"/{state,spool,log} /etc/slurm
cat >"$config" <<CONF
$mark
ClusterName=wilks
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ { print int($2 / 1024 * 0.8) }' /proc/meminfo)
PartitionName=debug Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF

key=$folder/munge.key
[[ -s $key ]] || (umask 077 && head -c 1024 /dev/urandom >"$key")
running() { # name of the pid file
  [[ -s $folder/$1.pid ]] && kill -0 "$(cat "$folder/$1.pid")" 2>/dev/null
}
running munged || munged --force --key-file="$key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/log/munged.log" --seed-file="$folder/munged.seed"
running slurmctld || slurmctld
running slurmd || slurmd

for _ in $(seq 60); do
  if [[ $(sinfo --noheader --format=%t 2>/dev/null) == idle ]]; then
    sinfo
    exit 0
  fi
  sleep 0.5
done
fail "the node did not come up; see $folder/log"
