# Makes a machine of its own of new namespaces, and stays as their first process.
# $1 its name, $2 options for overlays, then the entries of /tmp that are seen inside.
set -e
name=$1 options=$2
shift 2

echo "$name" >/proc/sys/kernel/hostname
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock /run/outer

# What is changed in these folders stays inside.
for folder in etc var; do
    mkdir -p "/run/.lab/$folder/upper" "/run/.lab/$folder/work"
    mount -t overlay overlay \
        -o "lowerdir=/$folder,upperdir=/run/.lab/$folder/upper,workdir=/run/.lab/$folder/work$options" "/$folder"
done
[ -L /var/run ] || mount --bind /run /var/run

mount --bind /tmp /run/outer
mount -t tmpfs -o mode=1777 tmpfs /tmp
for path in "$@"; do
    entry=${path#/tmp/}
    if [ -d "/run/outer/$entry" ]; then mkdir "/tmp/$entry"; else touch "/tmp/$entry"; fi
    mount --bind "/run/outer/$entry" "/tmp/$entry"
done
umount /run/outer
rmdir /run/outer

# The interfaces that programs see there are those of the host.
mount -t sysfs sysfs /sys 2>/dev/null || :

for scope in all default; do
    # Addresses are usable at once, and packets may come in by any interface.
    echo 0 >/proc/sys/net/ipv6/conf/$scope/accept_dad 2>/dev/null || :
    echo 0 >/proc/sys/net/ipv4/conf/$scope/rp_filter
done
ip link set lo up

echo ready
exec >/dev/null 2>&1
# The shell buries what becomes an orphan in the meantime.
while :; do sleep 3600; done
