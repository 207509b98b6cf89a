#!/bin/busybox sh
# The first process of the virtual machine. The other machine's file system, which must not change, is put below a layer in
# memory; then its programs are there, and one of them is run. The port tells QEMU to end, and with which status.

busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs dev /dev
while read -r module; do $busybox insmod "/modules/$module"; done </modules/order

$busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro other /other
$busybox mount -t tmpfs -o mode=755 tmpfs /memory
$busybox mkdir /memory/upper /memory/work
$busybox mount -t overlay -o lowerdir=/other,upperdir=/memory/upper,workdir=/memory/work overlay /new
for folder in proc sys dev; do
    $busybox mkdir -p /new/$folder
    $busybox mount --move /$folder /new/$folder
done
exec $busybox switch_root -c /dev/ttyS0 /new /bin/sh -c '
    given=/sys/firmware/qemu_fw_cfg/by_name/opt/lb
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/lock /run/netns /dev/pts /dev/shm /lib/modules
    mount -t devpts devpts /dev/pts
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount --bind "$(cat $given/modules/raw)" /lib/modules
    ip link set lo up
    echo vm >/proc/sys/kernel/hostname
    cat $given/script/raw >/run/script

    sh /run/script
    status=$?
    [ "$status" -le 125 ] || status=125
    # Waits until everything is printed.
    stty -F /dev/ttyS0 -echo
    printf "\\$(printf %03o $((status + 1)))" | dd of=/dev/port bs=1 seek=244 2>/dev/null
'
