#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The part of demo.sh that runs in the root file system. /lab/out is the host's root, $1 the
# checkout there, $2 and $3 the HOME and PATH of the host.

set -euo pipefail
top=$1 home=$2 path=$3
fleet=/lab/project/out/fleet
root=$fleet/root
work=$fleet/demo
node=$(uname -n)
word=virtio-9p
export SLURM_CONF=$work/slurm.conf

# Slurm is not part of the root file system: 20 MB, unpacked beside it.
if [ ! -e "$root/.whole" ]; then
	echo 'fleet: getting slurm-wlm'
	rm -rf "$root" && mkdir -p "$root" "$fleet/debs"
	apt-get -qq update
	(
		cd "$fleet/debs"
		apt-get -s --no-install-recommends install slurmctld slurmd slurm-client |
			awk '$1 == "Inst" { print $2 }' |
			grep -E '^(slurm|lib(munge|lua|dbus|hwloc15|json|b64|jwt|yaml|event|pmix))' |
			xargs apt-get -qq download
		for deb in *.deb; do
			dpkg-deb -x "$deb" "$root"
		done
	)
	# Debian has these links as alternatives. The daemons go by their names.
	for name in slurmctld slurmd slurmstepd; do
		ln -s "$name-wlm" "$root/usr/sbin/$name"
	done
	touch "$root/.whole"
fi
lib=$root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$lib/slurm-wlm PATH=$root/usr/sbin:$root/usr/bin:$PATH

rm -rf "$work" && mkdir -p "$work/state" "$work/spool"
cat >"$SLURM_CONF" <<-END
	ClusterName=fleet
	SlurmctldHost=$node(127.0.0.1)
	SlurmUser=root
	SlurmdUser=root
	AuthType=auth/none
	CredType=cred/none
	PluginDir=$lib/slurm-wlm
	StateSaveLocation=$work/state
	SlurmdSpoolDir=$work/spool
	SlurmctldPidFile=$work/slurmctld.pid
	SlurmdPidFile=$work/slurmd.pid
	SlurmctldLogFile=$work/slurmctld.log
	SlurmdLogFile=$work/slurmd.log
	ProctrackType=proctrack/linuxproc
	SelectType=select/cons_tres
	SelectTypeParameters=CR_CPU
	MpiDefault=none
	ReturnToService=2
	SlurmctldPort=$((20000 + $$ % 20000))
	SlurmdPort=$((20001 + $$ % 20000))
	NodeName=$node NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
	PartitionName=fleet Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
echo 'CgroupPlugin=disabled' >"$work/cgroup.conf"
slurmctld -D 2>/dev/null &
slurmd -D -N "$node" -d "$root/usr/sbin/slurmstepd" 2>/dev/null &
trap 'kill $(jobs -p) 2>/dev/null || :' EXIT
for _ in $(seq 60); do
	sinfo -h -o %t 2>/dev/null | grep -q idle && break
	sleep 1
done
sinfo

# The worker of part 1 is killed in the middle of its second row.
rm -f "$fleet"/census/*.log /lab/project/out/census/*/*"$word"*.json
(
	until grep -qs "$word.*laws" "$fleet/census/1.log"; do
		sleep 1
	done
	sleep 5
	pid=$(grep -l -e '[-]-partition=1/2' /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3 | head -n 1)
	echo "fleet: killing the worker of part 1 (process $pid)"
	kill -KILL "$pid"
) &

# Slurm's tasks are in the root file system, and what they make is on the host.
cat >"$work/make" <<-END
	#!/bin/sh
	unset LD_LIBRARY_PATH
	exec chroot /lab/out env HOME='$home' PATH='$path' sh -c 'cd "\$0" && exec make "\$@"' '$top' "\$@"
END
chmod +x "$work/make"
MAKE=$work/make scripts/fleet/slurm.sh 2 census "WORD=$word"
