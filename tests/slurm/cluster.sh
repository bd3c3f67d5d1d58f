#!/usr/bin/env bash
# A Slurm cluster of one node with two slots on this machine, from Debian's slurm-wlm and munge; as root, without systemd.
#   tests/slurm/cluster.sh start DIR    then: export SLURM_CONF=DIR/slurm.conf; sinfo
#   tests/slurm/cluster.sh stop DIR
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"
action="$1" dir="$2"

write_conf() {
  cat > "$dir/slurm.conf" << EOF
ClusterName=nblib
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
# A job that was queued again waits until its old credential has expired: 120 seconds by default, 5 at least.
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=5
# Two slots, whatever the machine has.
SlurmdParameters=config_overrides
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=loopback Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
}

await() {
  for _ in $(seq 100); do
    "$@" > /dev/null 2>&1 && return
    sleep 0.1
  done
  echo "no success within 10 seconds: $*" >&2
  tail -n 20 "$dir"/*.log "$dir"/munge/*.log >&2 || true
  return 1
}

ready() { [ "$(sinfo --noheader --format=%t)" = idle ]; }

start() {
  mkdir -p "$dir/state" "$dir/spool" "$dir/munge"
  chmod 755 "$dir" "$dir/munge"
  head -c 1024 /dev/urandom > "$dir/munge/key"
  chmod 400 "$dir/munge/key"
  chown -R munge:munge "$dir/munge"
  port=$((20000 + RANDOM % 5000 * 2))  # below those that the system hands out
  write_conf
  export SLURM_CONF="$dir/slurm.conf"
  runuser -u munge -- munged --force --socket="$dir/munge/socket" --key-file="$dir/munge/key" \
    --pid-file="$dir/munge/pid" --log-file="$dir/munge/munged.log" --seed-file="$dir/munge/seed"
  await munge --socket="$dir/munge/socket" --no-input
  slurmctld
  slurmd
  await ready
}

stop() {
  for pid in "$dir/slurmd.pid" "$dir/slurmctld.pid" "$dir/munge/pid"; do
    [ -s "$pid" ] && kill "$(cat "$pid")" 2> /dev/null || true
  done
}

"$action"
