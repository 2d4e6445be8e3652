# Quadlets of which each has something that keeper doctor finds; run by the account.
# "sound" has nothing, "fresh" and "changed" are not read by systemd as they stand.
q=~/.config/containers/systemd
mkdir -p $q/more

# quadlet NAME [CONTAINER [SERVICE [UNIT]]]: a container that sleeps, and lines for each
# of these sections.
quadlet() {
	printf '%s\n' '[Unit]' "Description=$1" "${4-}" '[Container]' "ContainerName=$1" \
		'Image=docker.io/library/debian:trixie-slim' 'Pull=never' 'Exec=sleep infinity' 'RunInit=yes' 'Network=none' "${2-}" \
		'[Service]' 'RestartSec=5' "${3-Restart=always}" '[Install]' 'WantedBy=default.target' >$q/$1.container
}
nl='
'
quadlet sound
quadlet changed
quadlet lost
quadlet unrestarted '' 'Restart=no'
quadlet limited '' "Restart=always${nl}RestartSec=1"
quadlet hasty 'StopTimeout=20' "Restart=always${nl}TimeoutStopSec=15"
quadlet late '' "Restart=always${nl}TimeoutStopSec=300"
quadlet first 'StopTimeout=70' "Restart=always${nl}TimeoutStopSec=90"
quadlet second 'StopTimeout=70' "Restart=always${nl}TimeoutStopSec=90" 'After=first.service'
quadlet secret "Environment=API_TOKEN=hunter2${nl}EnvironmentFile=/srv/open.env"
quadlet one 'PublishPort=127.0.0.1:8081:80'
quadlet two 'PublishPort=8080-8090:80-90'
quadlet typo 'PublihsPort=1:1'
quadlet bare 'Volume=/data'
quadlet unwanted
sed -i '/Install/,$d' $q/unwanted.container
printf '[Network]\nNetworkName=inner\n' >$q/inner.network
quadlet app
quadlet store 'Entrypoint=sleep' # of an image with a volume
sed -i 's/^Network=none/Network=inner.network/; s/^StopTimeout.*//' $q/app.container $q/store.container
sed -i 's,library/debian:trixie-slim,library/redis:8,; s/^Exec=.*/Exec=infinity/' $q/store.container
cp $q/sound.container $q/more/sound.container
systemctl --user daemon-reload
# The first podman makes what they all share.
systemctl --user start sound
systemctl --user start changed lost unrestarted limited hasty late first second secret bare unwanted app store
quadlet fresh
echo '# changed' >>$q/changed.container
podman run -d --name hand --network none --init --restart=always docker.io/library/debian:trixie-slim sleep infinity
podman create --name off --network none --restart=always docker.io/library/debian:trixie-slim sleep infinity
