// Verbs of images, networks, volumes and the whole, as lines of shell.
import type { Table } from './row.ts';

export const THINGS: Table = {
  'image ls, inspect, history, tag, rm': [
    'docker images; docker image ls -a --no-trunc; docker images -q; docker images --digests',
    'docker images --format json; docker images --format "{{json .}}"; docker images --format "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.CreatedSince}} {{.CreatedAt}} {{.Digest}} {{.VirtualSize}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}}"',
    'docker image inspect busybox',
    {
      run: 'docker inspect --type image busybox -f "{{.Id}} {{json .RootFS}}"; docker image inspect nosuch; docker image inspect "Bad Name"; docker inspect busybox -s -f "{{.Size}}"; docker inspect --type container busybox',
      differs: 'the same',
      same: 'code',
    },
    {
      run: 'docker history busybox; docker history -q --no-trunc busybox; docker history -H=false --format "{{.ID}} {{.CreatedBy}} {{.Size}} {{.Comment}} {{.CreatedSince}}" busybox; docker history nosuch; docker history --format json busybox',
      differs: 'the same',
      same: 'code',
    },
    'docker tag busybox one:1; docker tag busybox reg.example:5000/a/b; docker tag nosuch x; docker tag busybox UPPER; docker tag busybox "x:bad tag"; docker tag busybox sha256:0123456789012345678901234567890123456789012345678901234567890123; docker images --format "{{.Repository}}:{{.Tag}}" | sort',
    'docker images one; docker images "o*" -q | wc -l; docker images one:2; docker images reg.example:5000/a/b --format "{{.Tag}}"; docker images "*/*/*" -q | wc -l',
    {
      run: 'for f in dangling=true dangling=false label=x reference=one reference="*:1" reference="reg*/*/*" before=one:1 since=one:1 until=1h; do echo "$f: $(docker images -f $f --format "{{.Repository}}:{{.Tag}}" | sort | tr "\\n" " ")"; done; docker images -f nosuch=1; docker images -f dangling=x; docker images -f before=nosuch',
      differs: 'until is newer',
      same: 'code',
    },
    'docker create --name us one:1 | wc -c; docker rmi one:1; docker rmi -f one:1; docker images one; docker ps -a --format "{{.Image}}"; docker rmi $(docker images -q busybox); docker rm us',
    'docker rmi nosuch; docker rmi -f nosuch; docker rmi reg.example:5000/a/b; docker rmi "Bad Name"; docker rmi; docker images --format "{{.Repository}}:{{.Tag}}"',
  ],
  'image save, load, import, prune, pull, push': [
    'docker tag busybox sv:1; docker tag busybox sv:2; docker save -o sv.tar sv; tar tf sv.tar | grep -E "manifest.json|repositories"; docker rmi sv:1 sv:2; docker load -i sv.tar; docker load -q -i sv.tar; docker load < sv.tar; docker rmi sv:1 sv:2',
    {
      run: 'docker save nosuch; docker save -o /no/such/x busybox; docker save busybox sv:9 > /dev/null; docker load -i /no/such; echo x | docker load; docker load < /dev/null; docker save busybox | docker load',
      differs: 'archives are named when they are no archives',
      same: 'code',
    },
    'mkdir -p im; echo f > im/f; tar -C im -cf im.tar .; docker import -m note -c "ENV A=b" -c "CMD [\\"x\\"]" im.tar im:1 | cut -c 1-7; docker inspect -f "{{json .Config.Env}} {{json .Config.Cmd}} {{.Comment}} {{len .RootFS.Layers}} {{.Os}}" im:1; docker history --format "{{.CreatedBy}}|{{.Comment}}|{{.Size}}" im:1',
    {
      run: 'cat im.tar | docker import - im:2 | cut -c 1-7; docker import /no/such; echo junk | docker import -; docker import -c "FOO x" im.tar; docker import im.tar "Bad Name"; docker rmi im:1 im:2 | wc -l',
      differs: 'the same',
      same: 'code',
    },
    'docker import im.tar | cut -c 1-7; docker images -f dangling=true --format "{{.Repository}} {{.Tag}}"; docker image prune -f | wc -l; docker image prune -f; docker image prune -f --filter nosuch=1; docker image prune -af --filter until=1000000h',
    'docker pull -q busybox:nosuch 2>&1 | sed "s/: dial.*//; s/: Get.*//" | head -c 30; docker pull UPPER; docker push nosuch; docker push -a nosuch; docker pull -a x:1',
  ],
  networks: [
    {
      run: 'docker network ls --format "{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.IPv6}} {{.Labels}}"; docker network ls | head -1; docker network ls --no-trunc --format json --filter name=none',
      differs: 'IPv4 is newer',
      same: 'code',
    },
    'docker network create --subnet 10.77.0.0/24 --gateway 10.77.0.1 --ip-range 10.77.0.128/25 --aux-address r=10.77.0.130 --label a=b -o com.docker.network.bridge.name=cmp0 --attachable n1 | wc -c',
    'docker network inspect n1',
    {
      run: 'docker network create --internal n2 | wc -c; docker network inspect -f "{{.Internal}} {{.Driver}} {{.EnableIPv6}} {{json .Options}} {{json .Labels}}" n2; docker network inspect bridge -f "{{.Name}} {{.Driver}} {{json .Labels}}"; docker network inspect host none -f "{{.Name}} {{.Driver}} {{json .IPAM}} {{json .Options}} {{json .Containers}}"',
      differs: 'newer JSON of host and none',
      same: 'code',
    },
    {
      run: 'docker network create n1; docker network create bridge; docker network create ""; docker network create -d overlay x; docker network create --subnet 10.77.0.0/25 x; docker network create --subnet bad x; docker network create --gateway 1.2.3.4 x; docker network create --subnet 10.1.0.0/24 --gateway 10.2.0.1 x; docker network create --subnet 10.1.0.0/24 --ip-range 10.2.0.0/25 x; docker network create -d host x; docker network create --ipv6 x; docker network rm x 2>/dev/null',
      differs: 'newer words; an IPv6 subnet is chosen by itself',
      ours: 0,
    },
    'docker network inspect nosuch; docker network inspect -v n1 -f "{{.Name}}"; docker inspect --type network n1 -f "{{.Name}}"; docker network inspect n1 nosuch -f "{{.Name}}"',
    'docker run -d --name c1 --network n1 --network-alias al --ip 10.77.0.9 busybox sleep 99 | wc -c; docker inspect -f "{{json .NetworkSettings.Networks.n1.IPAMConfig}} {{.NetworkSettings.Networks.n1.IPAddress}} {{.NetworkSettings.Networks.n1.Gateway}} {{.NetworkSettings.Networks.n1.IPPrefixLen}}" c1; docker network inspect -f "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}" n1',
    {
      run: 'docker network connect --ip 10.1.1.1 n2 c1; docker network connect --alias x --alias y n2 c1; docker network connect n2 c1; docker network connect nosuch c1; docker network connect n2 nosuch; docker network connect host c1; docker inspect -f "{{range \\$k, \\$v := .NetworkSettings.Networks}}{{\\$k}} {{end}}" c1; docker exec c1 ls /sys/class/net',
      differs: 'newer words',
      same: 'code',
    },
    'docker run --rm --network n1 busybox sh -c "ping -c 1 -W 2 al | head -1 | cut -d \\" \\" -f 2; nslookup -type=a c1 2>&1 | grep -c 10.77.0.9"',
    {
      run: 'docker network rm n1; docker network rm nosuch bridge n2; docker network disconnect n2 c1; docker network disconnect -f n2 nosuch; docker network disconnect nosuch c1; docker network disconnect n1 c1; docker inspect -f "{{json .NetworkSettings.Networks}}" c1; docker rm -f c1',
      differs: 'newer words; with force a container is looked for first',
      same: 'code',
    },
    'docker network disconnect n2 nosuch; docker run -d --name c9 busybox sleep 99 | wc -c; docker network disconnect n2 c9; docker rm -f c9',
    {
      run: 'for f in name=n driver=bridge driver=null type=custom type=builtin label=a label=a=b scope=local dangling=true id=nosuch; do echo "$f: $(docker network ls -f $f --format "{{.Name}}" | sort | tr "\\n" " ")"; done; docker network ls -f nosuch=1; docker network ls -f type=x; docker network ls -f dangling=x',
      differs: 'newer words',
      same: 'code',
    },
    'docker network prune -f | sort; docker network prune -f; docker network prune -f --filter nosuch=1; docker network ls --format "{{.Name}}"; docker network rm n1 n2',
    {
      run: 'docker run --rm --network n1 --ip 10.77.0.9 busybox true; docker run --rm --ip 172.17.0.99 busybox true; docker run --rm --network-alias x busybox true; docker run --rm --network host --network-alias x busybox true; docker run --rm --ip x busybox true',
      differs: 'newer words',
      same: 'code',
    },
  ],
  volumes: [
    'docker volume create v1; docker volume create --label a=b v2; docker volume create v1; docker volume create "bad name"; docker volume create docker volume create -o foo=bar v4; docker volume create | wc -c',
    'docker volume inspect v2; docker volume inspect nosuch; docker volume inspect v1 nosuch -f "{{.Name}}"; docker inspect --type volume v1 -f "{{.Driver}} {{.Scope}}"',
    'docker volume ls -q | grep "^v"; docker volume ls | grep -E "^DRIVER|v1"; docker volume ls --format json --filter name=v2; docker volume ls --format "{{.Name}} {{.Driver}} {{.Mountpoint}} {{.Labels}} {{.Scope}} {{.Size}} {{.Links}}" --filter name=v2',
    'docker create --name uv -v v1:/v -v /anon busybox | wc -c; for f in dangling=true dangling=false label=a label=a=b name=v driver=local driver=x; do echo "$f: $(docker volume ls -f $f -q | grep "^v" | tr "\\n" " ")"; done; docker volume ls -f nosuch=1; docker volume ls -f dangling=x',
    'docker inspect -f "{{range .Mounts}}{{.Type}} {{.Driver}} {{.Mode}} {{.RW}} {{.Propagation}} {{.Destination}};{{end}}" uv | tr ";" "\\n" | sort; docker volume rm v1; docker volume rm nosuch; docker volume rm -f nosuch; docker rm -v uv; docker volume rm v1',
    'docker volume prune -f | sed "s/[0-9a-f]\\{64\\}/ID/" | sort; docker volume prune -af --filter label=a; docker volume prune -f --filter nosuch=1; docker volume ls -q',
    'docker volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=1m tm; docker run --rm -v tm:/t busybox sh -c "df -k /t | tail -1 | tr -s \\" \\""; docker volume inspect -f "{{json .Options}}" tm; docker volume rm tm',
    'docker run --rm -v cp:/etc busybox ls /etc | head -3; docker run --rm -v nc:/etc:nocopy busybox ls /etc | sort | head -3; docker volume rm cp nc',
  ],
  'the system': [
    'docker version --format "{{.Server.Os}} {{.Server.Arch}}"; docker version --format json | head -c 10',
    {
      run: 'docker info --format "{{.OSType}} {{.Architecture}} {{.NCPU}} {{.Driver}} {{.LoggingDriver}} {{.CgroupDriver}} {{.CgroupVersion}} {{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}} {{.Images}} {{.IndexServerAddress}} {{.Swarm.LocalNodeState}} {{.MemoryLimit}} {{.SwapLimit}} {{.OomKillDisable}} {{.IPv4Forwarding}} {{.Debug}} {{.HTTPProxy}} {{.Isolation}} {{.LiveRestoreEnabled}} {{.DockerRootDir}}"',
      differs: 'containers always outlive the daemon',
      same: 'code',
    },
    'docker system df; docker system df --format "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}"; docker system df -v | cut -c 1-40; docker system df --format json; docker system df -v --format "{{len .Images}} {{len .Containers}} {{len .Volumes}} {{len .BuildCache}}"',
    'docker system prune -f; docker system prune -af --volumes --filter label=nosuch; docker system prune -f --filter nosuch=1; docker builder prune -f',
    'docker swarm leave; docker swarm init 2>&1 | wc -l; docker node ls; docker service ls; docker secret ls; docker config ls; docker stack ls; docker swarm ca; docker swarm join-token worker',
    'docker plugin ls; docker plugin inspect nosuch; docker search --limit 200 x; docker login -u x -p y 127.0.0.1:1 2>&1 | head -1; docker logout',
    'docker inspect; docker inspect nosuch; docker inspect -f "{{.Name}}" --type volume nosuch; docker nosuch; docker ps extra; docker run',
  ],
};
