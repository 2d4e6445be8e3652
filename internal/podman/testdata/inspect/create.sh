#!/bin/bash
# Makes the containers that the fixtures beside this file were captured from.
# Run it as the account of a lab host with the images of the demo stack, then
# capture with KEEPER_PODMAN_SOCKET set (see capture_test.go). A container whose
# name is NAME or starts with NAME- belongs to the fixture NAME.json.
set -u
small=docker.io/library/debian:trixie-slim
new() { name=$1; shift; podman container exists "$name" || podman create --name "$name" "$@" >/dev/null || { echo "cannot create $name" >&2; return 1; }; }
api() { curl -s --unix-socket "$XDG_RUNTIME_DIR/podman/podman.sock" -H 'Content-Type: application/json' -d "$2" "http://d/v5.0.0/libpod/$1"; echo; }

mkdir -p "$HOME/data/with space" "$HOME/data/plain" "$HOME/data/%h"
touch "$HOME/data/env"
for s in db-pass api-key tls-cert; do printf x | podman secret create --replace "$s" - >/dev/null; done

new usernsauto --userns auto "$small"
new usernsautosize --userns auto:size=5000 "$small"
new plain "$small" sleep 1000
new anonymous -e POSTGRES_PASSWORD=s3cret docker.io/library/postgres:17
new database -e POSTGRES_PASSWORD=s3cret -e POSTGRES_DB=ledger -v database-data:/var/lib/postgresql/data \
  -p 127.0.0.1:15432:5432 --restart always --stop-timeout 60 --shm-size 256m \
  --health-cmd 'pg_isready -U postgres' --health-interval 10s --health-retries 5 --health-start-period 1m --health-timeout 5s docker.io/library/postgres:17
new entrypoint --entrypoint '["/bin/sh","-c"]' "$small" 'echo "$HOME" && exec sleep 10'
new noentry --entrypoint '' docker.io/library/redis:8 redis-server --appendonly yes
new command docker.io/library/redis:8 redis-server --requirepass 'p w' --save ''
new hostile -e 'SPACE=a b  c' -e 'PERCENT=100%h%%' -e 'QUOTE=say "hi" it'\''s' -e $'NEWLINE=one\ntwo' -e 'DOLLAR=$HOME ${X}' -e 'UNICODE=žluťoučký 日本' \
  -e 'BACKSLASH=a\b\n' -e 'EMPTY=' -e 'SEMI=;#' -l 'note=50% "of" $it' -l $'lines=a\nb' -v "$HOME/data/with space:/with space:ro" "$small" sh -c 'echo "a b" $1 %n' 'x y' ''
new labels -l app=ledger -l io.podman.compose.project=shop -l com.docker.compose.service=web -l com.docker.compose.project=shop --annotation run.oci.keep_original_groups=1 --annotation my.note=hi "$small"
new user --user 1000:1001 --workdir /srv --group-add 44 --group-add audio --umask 0077 --hostname box.example.org --tz Europe/Prague "$small" id
new keepgroups --group-add keep-groups "$small"
new ports -p 18080:80 -p 127.0.0.1:18443:443 -p '[::1]:18444:443' -p 15353:53/udp -p 19000-19002:9000-9002 -p 8125 --expose 7000 --expose 7001/udp "$small" sleep 1
new publishall -P docker.io/library/redis:8
new volumes -v volumes-named:/named -v volumes-opts:/opts:ro,U,nosuid,noexec -v "$HOME/data/plain:/bind:Z,rshared" -v "$HOME/data/plain:/shared:z,ro" \
  -v "$HOME/data/plain:/over:O" -v /anon --mount "type=bind,src=$HOME/data/%h,dst=/percent,ro=true" --mount type=volume,src=volumes-sub,dst=/sub,subpath=inner \
  --tmpfs /scratch:size=64m,mode=1770 --mount type=tmpfs,dst=/scratch2,tmpfs-size=1m --mount type=image,src="$small",dst=/image,rw=true --mount "type=glob,src=$HOME/data/e*,dst=/glob" "$small" sleep 1
new devices --device /dev/fuse --device /dev/null:/dev/mynull:r "$small"
new secrets --secret db-pass --secret api-key,type=env,target=API_KEY --secret tls-cert,target=/etc/tls/cert.pem,uid=1000,gid=1001,mode=0400 "$small"
new caps --cap-add NET_ADMIN,SYS_TIME --cap-drop CHOWN,KILL --security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt label=disable "$small"
new capsall --cap-drop ALL --cap-add NET_BIND_SERVICE --security-opt mask=/proc/kcore:/sys/foo --security-opt unmask=/proc/acpi --security-opt label=type:spc_t --security-opt label=level:s0:c1,c2 "$small"
new unmask --security-opt unmask=ALL "$small"
new privileged --privileged --systemd always "$small" /sbin/init
new readonly --read-only --read-only-tmpfs=false --init --tty --interactive "$small"
new readonlytmp --read-only "$small"
new keepid --userns keep-id "$small"
new keepidmap --userns keep-id:uid=999,gid=998 --user 999:998 "$small"
new nomap --userns nomap "$small"
new mappings --uidmap 0:1:1000 --gidmap 0:1:2000 "$small"
new namespaces --pid host --ipc host --uts host --cgroupns host --network host --cgroups split "$small" || new namespaces --pid host --ipc host --uts host --cgroupns host --network host "$small"
new private --ipc private --pid private --network none --cgroups no-conmon "$small"
new limits --memory 512m --memory-swap 1g --memory-reservation 256m --cpus 1.5 --cpu-shares 512 --cpuset-cpus 0-1 --pids-limit 300 --oom-score-adj 500 --blkio-weight 300 "$small" || true
new quota --cpu-period 50000 --cpu-quota 25000 --memory 64m --memory-swap -1 --pids-limit -1 --oom-kill-disable "$small" || new quota --cpu-period 50000 --cpu-quota 25000 --memory 64m --memory-swap -1 --pids-limit -1 "$small"
new ulimits --ulimit nofile=4096:8192 --ulimit nproc=100 --ulimit core=0 --sysctl net.ipv4.ip_unprivileged_port_start=80 --sysctl kernel.msgmax=65536 "$small"
new ulimithost --ulimit host "$small"
new dns --dns 10.0.0.2 --dns fd00::53 --dns-search example.org --dns-option ndots:2 --add-host db.internal:10.9.8.7 --add-host 'gw;gw2:host-gateway' "$small"
new dnsnone --dns none --no-hosts "$small"
podman network exists labnet || podman network create --subnet 10.66.0.0/24 --gateway 10.66.0.1 --ip-range 10.66.0.128/25 --internal --label a=b -o isolate=true -o mtu=1400 --dns 10.66.0.5 labnet >/dev/null
podman network exists autonet || podman network create autonet >/dev/null
podman network exists sixnet || podman network create --ipv6 --subnet fd77::/64 --disable-dns --route 10.9.0.0/16,10.77.0.9 --subnet 10.77.0.0/24 sixnet >/dev/null
new networks --network labnet:ip=10.66.0.9,mac=92:d0:c6:0a:29:33,alias=store,alias=db --network autonet:interface_name=eth7 --network-alias cache "$small" || true
new netdynamic --network autonet --network-alias web "$small" sleep 1000; podman start netdynamic >/dev/null
new netstaticold --network sixnet --ip6 fd77::99 --ip 10.77.0.7 --mac-address aa:bb:cc:dd:ee:ff "$small"
new pasta --network pasta:--map-gw,-T,8080 "$small"
new slirp --network slirp4netns:port_handler=slirp4netns,cidr=10.41.0.0/24 "$small"
new joined-main "$small" sleep 1000; podman start joined-main >/dev/null
new joined --network container:joined-main --ipc container:joined-main --pid container:joined-main --requires joined-main "$small"
new logging --log-driver k8s-file --log-opt path="$HOME/data/x.log" --log-opt max-size=10mb --log-opt tag=web "$small"
new lognone --log-driver none "$small"
new health --health-cmd 'curl -f http://localhost/ || exit 1' --health-interval 15s --health-timeout 3s --health-retries 2 --health-start-period 20s --health-on-failure restart \
  --health-startup-cmd 'test -f /ready' --health-startup-interval 2s --health-startup-retries 30 --health-startup-success 2 --health-startup-timeout 4s \
  --health-log-destination /var/tmp --health-max-log-count 3 --health-max-log-size 200 --restart on-failure:5 "$small"
new healthexec --health-cmd '["curl","-f","http://localhost/a b"]' --health-interval disable "$small"
new nohealth --no-healthcheck --stop-signal SIGINT --stop-timeout 90 --timeout 3600 "$small"
new healthimage quay.io/minio/minio:latest server /data
new removed --rm --sdnotify container --env-file "$HOME/data/env" --http-proxy=false "$small"
new passwd --passwd-entry 'x:*:1:1::/:/bin/sh' --hosts-file none --restart unless-stopped "$small"
new volumesfrom --volumes-from volumes:ro "$small"
new cgroupconf --cgroup-conf memory.high=1073741824 --device-read-bps /dev/fuse:1mb --pids-limit 0 "$small" || new cgroupconf --cgroup-conf memory.high=1073741824 --pids-limit 0 "$small"
new unset --unsetenv PG_MAJOR --unsetenv GOSU_VERSION -e 'URL=postgres://bob:pw@db/x' -e AWS_SECRET_ACCESS_KEY=abc docker.io/library/postgres:17
new local --pull never localhost/ledger:latest
new imagevolume --image-volume tmpfs -e POSTGRES_PASSWORD=x docker.io/library/postgres:17
new arch --platform linux/amd64 --pull never --stop-signal 2 --env-host=false --security-opt apparmor=unconfined --runtime crun "$small"
mkdir -p "$HOME/rootfs/bin"; new rootfs --rootfs "$HOME/rootfs:O" /bin/true || new rootfs --rootfs "$HOME/rootfs" /bin/true

# An image that has everything, and containers that change it.
if ! podman image exists localhost/checked:1; then
  podman create --name tocommit "$small" >/dev/null
  podman commit -q --change 'HEALTHCHECK --interval=20s CMD test -e /ok' --change 'ENTRYPOINT ["/bin/echo"]' --change 'CMD ["hello","world"]' --change 'ENV MODE=image' \
    --change 'LABEL from=image' --change 'USER 1000' --change 'WORKDIR /srv' --change 'EXPOSE 8080' --change 'VOLUME /srv/data' --change 'STOPSIGNAL SIGQUIT' -f docker tocommit localhost/checked:1 >/dev/null
  podman rm tocommit >/dev/null
fi
new inherited localhost/checked:1
new healthoff --no-healthcheck -v healthoff-data:/srv/data localhost/checked:1
new changed --health-cmd 'test -e /other' --entrypoint /bin/printf --env MODE=mine --label from=me --user root --workdir / --stop-signal SIGTERM --tmpfs /srv/data localhost/checked:1 %s
new sameentry --entrypoint /bin/echo localhost/checked:1

# Started: inspecting tells less of these, and more that is not their own.
new running -v "$HOME/data/plain:/bind:Z,rshared" -v running-data:/data:U -v "$HOME/data/plain:/shared:z,ro" --secret db-pass --secret api-key,type=env,target=API_KEY \
  --sysctl net.core.somaxconn=200 --device /dev/fuse --ulimit nofile=5000:5000 --tmpfs /t --network labnet:ip=10.66.0.20,alias=foo --hostname runner "$small" sleep 100000
podman start running >/dev/null
new runninghost -it --network host "$small" sleep 100000; podman start runninghost >/dev/null

# An image whose name moved on, and one that lost its name.
podman tag "$small" localhost/moved:1; new moved localhost/moved:1; podman tag docker.io/library/redis:8 localhost/moved:1

podman pod exists pod || podman pod create --name pod -p 127.0.0.1:18090:80 --network autonet:alias=inpod --hostname podhost --share net,ipc,uts -v pod-shared:/shared -l team=a --userns keep-id --dns 10.0.0.9 --add-host x.y:1.2.3.4 --exit-policy stop --restart always >/dev/null
new pod-web --pod pod -v pod-data:/data "$small" sleep 1000
new pod-side --pod pod --requires pod-web "$small" sleep 1000
podman pod exists podplain || podman pod create --name podplain >/dev/null
new podplain-a --pod podplain "$small" sleep 5
podman pod exists podlimits || podman pod create --name podlimits --memory 256m --cpus 0.5 --shm-size 100m --infra-name podlimits-infra --security-opt no-new-privileges --network labnet:ip=10.66.0.77 --sysctl net.core.somaxconn=200 --uts private >/dev/null
new podlimits-a --pod podlimits "$small" sleep 5
podman pod exists podbare || podman pod create --name podbare --infra=false >/dev/null
new podbare-a --pod podbare "$small" sleep 5

podman volume exists voltmpfs || podman volume create --label tier=fast -o type=tmpfs -o device=tmpfs -o o=size=32m,uid=1000 voltmpfs >/dev/null
podman volume exists volbind || podman volume create -o type=none -o o=bind -o device="$HOME/data/plain" volbind >/dev/null
new voldrivers -v voltmpfs:/fast -v volbind:/bound "$small"

# Made through the API: nothing has a command line.
api containers/create '{"name":"api","image":"docker.io/library/redis:8","command":["redis-server","--port","7000"],"env":{"A B":"c","X":"$y %z"},"labels":{"k":"v"},"user":"999","work_dir":"/tmp","terminal":true,
 "volumes":[{"Name":"api-data","Dest":"/data","Options":["nodev"]},{"Dest":"/anon"}],"mounts":[{"destination":"/host","source":"'"$HOME"'/data/plain","type":"bind","options":["rbind","Z"]}],
 "portmappings":[{"container_port":7000,"host_port":17000,"host_ip":"127.0.0.1"}],"netns":{"nsmode":"bridge"},"Networks":{"autonet":{"aliases":["kv"],"static_ips":[]}},"restart_policy":"on-failure","restart_tries":3,
 "stop_timeout":25,"secrets":[{"Source":"db-pass","Target":"pw"}],"secret_env":{"KEY":"api-key"},"cap_drop":["ALL"],"read_only_filesystem":true,"hostname":"kv","healthconfig":{"Test":["CMD","redis-cli","ping"],"Interval":5000000000,"Timeout":2000000000,"Retries":4}}'
api containers/create '{"name":"apibare","image":"docker.io/library/debian:trixie-slim"}'
api containers/create '{"name":"apirunning","image":"docker.io/library/debian:trixie-slim","command":["sleep","100000"],"netns":{"nsmode":"bridge"},"Networks":{"autonet":{"aliases":["kv"],"static_ips":["10.89.0.200"]}},
 "secret_env":{"KEY":"api-key"},"sysctl":{"net.core.somaxconn":"200"},"r_limits":[{"type":"nofile","hard":3000,"soft":2000}]}'
podman start apirunning >/dev/null
