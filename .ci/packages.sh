# shellcheck shell=bash
# Debian's packages that the tests need; sourced.

packages=(
  ca-certificates curl iproute2 iputils-ping nftables openssl procps python3 python3-scapy tshark
  frr haproxy keepalived ldirectord libnginx-mod-stream nginx squid wrk
  busybox-static ipvsadm kmod qemu-system-x86 resource-agents
  bind9 libssl-dev pkg-config dovecot-imapd dovecot-pop3d freeradius mariadb-server opensmtpd postgresql redis-server slapd vsftpd
)

install_packages() {
  local missing=() package sudo
  sudo=$([[ $EUID -eq 0 ]] || echo sudo)
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if ((${#missing[@]})); then
    $sudo apt-get update -qq
    # The peers are started by the tests, each on its own ports: no service of the system is wanted.
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}"
  fi
  # Tests fetch the kernel that they boot.
  apt-cache show linux-image-amd64 >/dev/null 2>&1 || $sudo apt-get update -qq
}
