# SPDX-License-Identifier: BSD-3-Clause
# Linux's own TCP/IP behind TAPs: ping to echo, and through l2fwd between two namespaces.
. "$(dirname "$0")/lib.sh"

[ -e /dev/net/tun ] || skip "no /dev/net/tun"
ip netns add left || skip "no right to make network namespaces"
ip netns add right
start "$SRC/docs/examples/demo.yaml"
ip -n left addr add 10.99.0.1/24 dev tap-left
ip -n right addr add 10.99.0.2/24 dev tap-right
ok "the adapters come up" until_true 20 'len(sw["nics"]) == 3 and all(n["up"] for n in sw["nics"])'
ok "ping to echo" ip netns exec left ping -q -c 20 -i 0.05 -W 2 10.99.0.3
ok "ping through l2fwd" ip netns exec left ping -q -c 20 -i 0.05 -W 2 10.99.0.2
ok "large ping through l2fwd" ip netns exec left ping -q -c 5 -i 0.1 -W 2 -s 1472 10.99.0.2
ok "l2fwd forwarded it" is 'guest("l2fwd")["forwarded"] >= 50' True
stop_clean
ok "no TAP is left" sh -c "! ip -n left -o link | grep tap-"
