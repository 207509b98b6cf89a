# Makes a machine of its own of new namespaces, and stays as their first process.
# $1 its name, $2 the lab's folder, $3 `user` in a user namespace, then the entries of /tmp that are seen inside.
set -e
name=$1 lab=$2 right=$3
shift 3

# By the system call: the file in /proc belongs to the root of the machine.
hostname "$name"

# What is changed in these folders stays inside. In a user namespace they lie above what the keeper has made.
etc=/etc var=/var options=
if [ "$right" = user ]; then
    cd "$lab/base"
    etc=etc var=var:/var options=,userxattr
fi
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock /run/outer
for folder in etc var; do
    mkdir -p "/run/.lab/$folder/upper" "/run/.lab/$folder/work"
    [ "$folder" = etc ] && lower=$etc || lower=$var
    mount -t overlay overlay \
        -o "lowerdir=$lower,upperdir=/run/.lab/$folder/upper,workdir=/run/.lab/$folder/work$options" "/$folder"
done
cd /
[ -L /var/run ] || mount --bind /run /var/run

mount --rbind /tmp /run/outer
mount -t tmpfs -o mode=1777 tmpfs /tmp
for path in "$@"; do
    entry=${path#/tmp/}
    if [ -d "/run/outer/$entry" ]; then mkdir "/tmp/$entry"; else touch "/tmp/$entry"; fi
    mount --bind "/run/outer/$entry" "/tmp/$entry"
done
umount -l /run/outer
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
