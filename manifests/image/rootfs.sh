#!/bin/sh
# Turns Debian packages into the smallest root file system in which kube-proxy finds its tools.
# No maintainer script runs, so any architecture can be made anywhere. There is no shell in the result.
#
# usage: rootfs.sh ARCH FOLDER      (ARCH in Debian's words: amd64, arm64; FOLDER must not exist)
set -eu

arch=$1
root=$2
suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
security=${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
# nft removes the tables of nftables mode, at each start and with --cleanup; ipset the sets of ipvs mode, with --cleanup.
packages=iptables,nftables,ipset
# The lists of a snapshot have expired; those of the archive as it is must not have.
check_date=true
[ -z "${DEBIAN_MIRROR:-}${DEBIAN_SECURITY_MIRROR:-}" ] || check_date=false
: "${SOURCE_DATE_EPOCH:?is the time that files are dated to}"
export SOURCE_DATE_EPOCH

# Certificates are wanted without openssl and perl, on which their package depends. What a scanner wants to know of
# the packages is noted where it looks in images that have no dpkg.
# shellcheck disable=SC2016 # this is for the shell that mmdebstrap starts
hook='set -eu
cd "$1"
mkdir -p tmp/debs var/lib/dpkg/status.d
chmod 777 tmp/debs
(cd tmp/debs && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq download ca-certificates) >&2
dpkg-deb -x tmp/debs/ca-certificates_*.deb .
for deb in tmp/debs/*.deb var/cache/apt/archives/*.deb; do
  dpkg-deb -f "$deb" >"var/lib/dpkg/status.d/$(dpkg-deb -f "$deb" Package)"
done
mkdir -p etc/ssl/certs
cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
rm -r tmp/debs'

mmdebstrap --quiet --variant=extract --architectures="$arch" --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt="Acquire::Check-Valid-Until \"$check_date\"" --skip=cleanup/apt --extract-hook="$hook" \
  "$suite" "$root" "deb $mirror $suite main" "deb $mirror $suite-updates main" "deb $security $suite-security main"
cd "$root"

# Documentation stays where a licence asks for it.
find usr/share/doc -type f ! -name copyright -delete
find usr/share/doc -type l -delete
find usr/share -mindepth 1 -maxdepth 1 ! -name doc ! -name xtables -exec rm -r {} +
find var/lib -mindepth 1 -maxdepth 1 ! -name dpkg -exec rm -r {} +
find var/lib/dpkg -mindepth 1 -maxdepth 1 ! -name status.d -exec rm -r {} +
rm -rf etc/apt etc/fstab etc/hostname etc/resolv.conf etc/ca-certificates* etc/default etc/init.d etc/nftables.conf etc/perl var/cache var/log tmp/* dev/* run
rm -rf usr/lib/systemd lib/systemd usr/lib/*/gconv usr/lib/*/audit usr/lib/*/perl*
# Programs besides those that are run.
find bin sbin usr/bin usr/sbin -mindepth 1 \
  ! -name 'xtables-*-multi' ! -name 'ip*tables*' ! -name nft ! -name ipset -delete 2>/dev/null || true
rm -f usr/sbin/ip*tables-apply usr/bin/iptables-xml usr/sbin/ip*translate
find . -type d -empty -delete

# What Debian decides by alternatives: the names alone mean nf_tables. kube-proxy chooses by itself.
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -s xtables-nft-multi "usr/sbin/$name"
done

# Mount points, so that a read-only root needs nothing made.
mkdir -p dev etc proc sys tmp run usr/local/bin lib/modules var/lib/kube-proxy var/run/secrets/kubernetes.io
: >run/xtables.lock
: >etc/hosts
: >etc/resolv.conf
: >etc/hostname
echo 'root:x:0:0:root:/:/sbin/nologin' >etc/passwd
echo 'root:x:0:' >etc/group
echo 'hosts: files dns' >etc/nsswitch.conf
find . -type d -exec chmod 755 {} +
find . -type f -exec chmod u=rwX,go=rX {} +
chmod 1777 tmp
chmod 600 run/xtables.lock

if shell=$(find . -name '*sh' -type f -perm /111 | grep .) || shell=$(grep -rlI '^#!' bin sbin usr/bin usr/sbin 2>/dev/null)
then
  echo "a shell or script is left: $shell" >&2
  exit 1
fi
