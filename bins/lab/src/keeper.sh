# Holds the namespaces of a lab until its standard input ends. $1 the lab's folder, $2 `user` in a user namespace.
ip link set lo up || exit

if [ "$2" = user ]; then
    # What belongs to users that are unknown in here cannot be changed, not even through an overlay. So hosts get copies
    # of /etc, without what cannot be read, and folders for the upper levels of /var.
    mkdir "$1/base" && mount -t tmpfs -o mode=755 tmpfs "$1/base" || exit
    cp -RPp /etc "$1/base/etc" 2>/dev/null
    set -- "$1" "$1/base/etc" "$1/base/var"
    for outer in /var/*; do
        [ -d "$outer" ] && [ ! -L "$outer" ] || continue
        set -- "$@" "$1/base$outer"
        for inner in "$outer"/*; do
            [ -d "$inner" ] && [ ! -L "$inner" ] || continue
            set -- "$@" "$1/base$inner"
        done
    done
    mkdir -p "$@" || exit
fi

echo ready
exec >/dev/null 2>&1
cat
umount "$1/base"
rm -rf "$1"
exit 0
