#!/usr/bin/env bash
# Runs the two commands of README.md as a newcomer does: in a clone with an empty target folder, on a machine that has a Rust
# toolchain and none of the optional programs: as an ordinary user, and as root, who lacks `ip`, too. After the user's demo has
# built everything, root's commands run beside the user's tests.
#
# What is hidden is hidden in a mount namespace of its own. The crates have to be fetched (`cargo fetch`): nothing is downloaded.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

optional=(
  bird bridge busybox chromium curl dovecot dumpcap freeradius haproxy heartbeat ip6tables ip6tables-restore iptables
  iptables-restore ipvsadm ipvsadm-restore ipvsadm-save keepalived ldirectord mariadb-install-db mariadbd mysqld named nft nginx
  openssl ping postgres promtool qemu-system-x86_64 redis-server scapy slapadd slapd smtpd squid sudo tcpdump tshark vrrpd vsftpd
  vtysh watchfrr wrk zebra
)
folders=(/usr/lib/frr /usr/lib/postgresql)

demo=$(grep -m1 -oE '^cargo run[^#]*' "$root/README.md")
tests=$(grep -m1 -oE '^cargo test[^#]*' "$root/README.md")
[[ $demo && $tests ]]

# run WHO COMMAND: in the clone, with the environment of somebody who has just logged in.
run() {
  local who=$1 command=$2 home start=$SECONDS status=0
  home=$(getent passwd "$who" | cut -d: -f6)
  printf '\n== as %s: %s\n' "$who" "$command"
  setpriv --reuid="$who" --regid="$(id -g "$who")" --init-groups env -i -C "$clone" HOME="$home" USER="$who" \
    PATH="$toolchain/bin:/usr/local/bin:/usr/bin:/bin" CARGO_HOME="$cargo" CARGO_NET_OFFLINE=true \
    bash -c "$command" </dev/null || status=$?
  printf '== as %s: status %d after %d:%02d minutes\n' \
    "$who" "$status" $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60))
  return "$status"
}

# hide PROGRAM...: whiteouts of an overlay, on each folder of programs.
hide() {
  local folder layer name
  for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    [[ -d $folder && ! -L $folder ]] || continue
    layer=$(mktemp -d -p /mnt)
    mkdir "$layer/upper" "$layer/work"
    for name; do
      if [[ -e $folder/$name || -L $folder/$name ]]; then mknod "$layer/upper/$name" c 0 0; fi
    done
    mount -t overlay overlay -o "lowerdir=$folder,upperdir=$layer/upper,workdir=$layer/work" "$folder"
  done
}

inside() {
  mount -t tmpfs tmpfs /mnt
  # Of root's home, which others cannot read, there is the toolchain and the registry, read only and at their places.
  local kept=() path
  for path in "$toolchain" "$cargo"; do
    if [[ $path == "$HOME"/* ]]; then
      kept+=("$path")
      mkdir "/mnt/${#kept[@]}"
      mount --bind "$path" "/mnt/${#kept[@]}"
    fi
  done
  mount -t tmpfs -o mode=755 tmpfs "$HOME"
  local number=0
  for path in "${kept[@]}"; do
    number=$((number + 1))
    mkdir -p "$path"
    mount --bind "/mnt/$number" "$path"
    mount -o remount,bind,ro "$path"
  done
  for path in "${folders[@]}"; do
    if [[ -d $path ]]; then mount -t tmpfs tmpfs "$path"; fi
  done
  hide "${optional[@]}"
  run "$user" "$demo"
  local log status=0
  log=$(mktemp)
  unshare --mount bash "$0" root >"$log" 2>&1 &
  run "$user" "$tests" || status=$?
  wait $! || status=$?
  cat "$log"
  return "$status"
}

as_root() {
  hide ip
  run root "$demo"
  run root "$tests"
}

export toolchain cargo=${CARGO_HOME:-$HOME/.cargo} user clone
toolchain=$(rustc --print sysroot)
case ${1:-} in
  inside) inside ;;
  root) as_root ;;
  *)
    if [[ $EUID -ne 0 ]]; then
      echo "newcomer: not root, so no user is made and no program is hidden: the commands run as $USER"
      clone=$(mktemp -d)
      trap 'rm -rf "$clone"' EXIT
      git clone --quiet "$root" "$clone"
      cd "$clone"
      bash -c "$demo" </dev/null
      bash -c "$tests" </dev/null
      exit
    fi
    user=lb-newcomer-$$
    useradd --create-home --shell /bin/bash "$user"
    trap 'userdel --remove --force "$user" 2>/dev/null' EXIT
    clone=$(getent passwd "$user" | cut -d: -f6)/lb
    git clone --quiet "$root" "$clone"
    chown -R "$user:" "$clone"
    unshare --mount bash "$0" inside
    ;;
esac
