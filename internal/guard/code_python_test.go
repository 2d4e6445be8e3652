package guard

var pythonCases = []codeCase{
	py(`import os; os.system("loginctl terminate-user flowstate")`, shTerm),
	py(`import os; os.popen('loginctl terminate-user flowstate').read()`, shTerm),
	py(`__import__('os').system('loginctl terminate-user flowstate')`, shTerm),
	py(`from os import system as s; s("loginctl terminate-user flowstate")`, shTerm),
	py(`import os as o
o.system("loginctl terminate-user flowstate")`, shTerm),
	py(`import os; f = os.system; f("loginctl terminate-user flowstate")`, shTerm),
	py(`import os; getattr(os, "sys"+"tem")("loginctl terminate-user flowstate")`, shTerm),
	py(`import os; os.__dict__["system"]("loginctl terminate-user flowstate")`, shTerm),
	py(`import importlib; importlib.import_module("os").system("loginctl terminate-user flowstate")`, shTerm),
	py(`import subprocess; subprocess.run(["loginctl", "terminate-user", "flowstate"])`, runTerm),
	py(`import subprocess; subprocess.run("loginctl terminate-user flowstate", shell=True, check=True)`, shTerm),
	py(`import subprocess as sp; sp.call(("loginctl","terminate-user","flowstate"))`, runTerm),
	py(`from subprocess import run; run(args=["loginctl","terminate-user","flowstate"])`, runTerm),
	py(`import subprocess; subprocess.check_output("loginctl terminate-user flowstate".split())`, runTerm),
	py(`import subprocess, shlex; subprocess.Popen(shlex.split("loginctl terminate-user flowstate"))`, shTerm),
	py(`import subprocess; cmd = ["loginctl", "terminate-user"]; cmd.append("flowstate"); subprocess.run(cmd)`, "run loginctl terminate-user"),
	py(`import subprocess
cmd = ["loginctl", "terminate-user"]
subprocess.run(cmd + ["flowstate"])`, runTerm),
	py(`import subprocess
subprocess.run([*["loginctl", "terminate-user"], "flowstate"])`, runTerm),
	py(`import os; os.system("login" "ctl terminate-user flowstate")`, shTerm),
	py(`import os; os.system("login" + "ctl " + 'terminate-user' + " flowstate")`, shTerm),
	py(`import os; os.system(' '.join(["loginctl", "terminate-user", "flowstate"]))`, shTerm),
	py(`import os; os.system("\x6coginctl \u0074erminate-user flow\163tate")`, shTerm),
	py(`import os,base64; os.system(base64.b64decode("bG9naW5jdGwgdGVybWluYXRlLXVzZXIgZmxvd3N0YXRl").decode())`, shTerm),
	py(`import os; os.system(bytes.fromhex("6c6f67696e63746c207465726d696e6174652d7573657220666c6f777374617465"))`, shTerm),
	py(`import os,codecs; os.system(codecs.decode("ybtvapgy grezvangr-hfre sybjfgngr","rot13"))`, shTerm),
	py(`import os; os.system("etatswolf resu-etanimret ltcnigol"[::-1])`, "sh loginctl terminate-user flowstate"),
	py(`import os; os.system(chr(108)+"oginctl terminate-user flowstate")`, shTerm),
	py(`import os; os.system("Xoginctl terminate-user flowstate".replace("X","l"))`, shTerm),
	py(`import os; os.system("{} terminate-user {}".format("loginctl", "flowstate"))`, shTerm),
	py(`import os; os.system("%s terminate-user %s" % ("loginctl", "flowstate"))`, shTerm),
	py(`import os; v="terminate-user"; os.system(f"loginctl {v} flowstate")`, shTerm),
	py(`import os; os.system(f"loginctl terminate-user {os.environ['USER']}")`, shTerm),
	py(`import os, getpass; os.system("loginctl terminate-user " + getpass.getuser())`, shTerm),
	py(`import os; os.system(f"loginctl terminate-user {u}")`, "sh loginctl terminate-user …"),
	py(`import os,sys; os.system(f"podman stop {sys.stdin.readline()}")`, "sh podman stop …"),
	py(`import os
a, b = "loginctl terminate-user", "flowstate"
os.system(a + " " + b)`, shTerm),
	py(`import os
cmd: str = "loginctl terminate-user flowstate"
os.system(cmd)`, shTerm),
	py(`import os
cmd = "loginctl "
cmd += "terminate-user flowstate"
os.system(cmd)`, shTerm),
	py(`import os
def run(c):
    os.system(c)
run("loginctl terminate-user flowstate")`, shTerm),
	py(`import subprocess
for c in ["ls", "loginctl terminate-user flowstate"]:
    subprocess.run(c, shell=True)`, shTerm),
	py(`import subprocess
def sh(*a):
    return subprocess.run(a)
sh("loginctl", "terminate-user", "flowstate")`, runTerm),
	py(`import os; [os.system(c) for c in ("loginctl terminate-user flowstate",)]`, shTerm),
	py(`import os; list(map(os.system, ["loginctl terminate-user flowstate"]))`, shTerm),
	py(`import threading,os; threading.Thread(target=os.system, args=("loginctl terminate-user flowstate",)).start()`, shTerm),
	py(`import atexit,os; atexit.register(os.system, "loginctl terminate-user flowstate")`, shTerm),
	py(`import os; os.execvp("loginctl", ["loginctl", "terminate-user", "flowstate"])`, runTerm),
	py(`import os; os.execlp("loginctl", "loginctl", "terminate-user", "flowstate")`, runTerm),
	py(`import os; os.spawnlp(os.P_WAIT, "loginctl", "loginctl", "terminate-user", "flowstate")`, runTerm),
	py(`import os; os.spawnvp(os.P_WAIT, "loginctl", ["loginctl", "terminate-user", "flowstate"])`, runTerm),
	py(`import os; os.posix_spawn("/usr/bin/loginctl", ["loginctl", "terminate-user", "flowstate"], os.environ)`, "run /usr/bin/loginctl terminate-user flowstate"),
	py(`import pty; pty.spawn(["loginctl", "terminate-user", "flowstate"])`, runTerm),
	py(`import asyncio; asyncio.run(asyncio.create_subprocess_shell("loginctl terminate-user flowstate"))`, shTerm),
	py(`import asyncio; asyncio.run(asyncio.create_subprocess_exec("loginctl", "terminate-user", "flowstate"))`, runTerm),
	py(`import sh; sh.loginctl("terminate-user", "flowstate")`, runTerm),
	py(`from sh import loginctl; loginctl("terminate-user", "flowstate")`, runTerm),
	py(`from plumbum.cmd import loginctl; loginctl["terminate-user", "flowstate"]()`, runTerm),
	py(`import pexpect; p = pexpect.spawn("bash"); p.sendline("loginctl terminate-user flowstate")`, "sh bash <<'KEEPER-END'\nloginctl terminate-user flowstate\nKEEPER-END\n"),
	py(`import subprocess; subprocess.run(["bash"], input="loginctl terminate-user flowstate", text=True)`, "sh 'bash' <<'KEEPER-END'\nloginctl terminate-user flowstate\nKEEPER-END\n"),
	py(`import subprocess; p = subprocess.Popen(["psql"], stdin=subprocess.PIPE); p.communicate(b"DROP TABLE ledger;")`, "sh 'psql' <<'KEEPER-END'\nDROP TABLE ledger;\nKEEPER-END\n"),
	py(`exec("import os; os.system('loginctl terminate-user flowstate')")`, shTerm),
	py(`eval("__import__('os').system('loginctl terminate-user flowstate')")`, shTerm),
	py(`import base64; exec(base64.b64decode("aW1wb3J0IG9zOyBvcy5zeXN0ZW0oJ2xvZ2luY3RsIHRlcm1pbmF0ZS11c2VyIGZsb3dzdGF0ZScp"))`, shTerm),
	py(`import ctypes; ctypes.CDLL(None).system(b"loginctl terminate-user flowstate")`, shTerm),
	py(`import commands; commands.getoutput("loginctl terminate-user flowstate")`, shTerm),
	py(`print(__import__("os").system("loginctl terminate-user flowstate"))`, shTerm),
	py(`import os
if True:
    # a comment with a ' quote
    os.system('''loginctl terminate-user flowstate''')`, shTerm),
	py("import os\nos.system(\n    'loginctl '\n    'terminate-user flowstate'\n)", shTerm),
	py(`import paramiko; c = paramiko.SSHClient(); c.exec_command("loginctl terminate-user flowstate")`, "run ssh … loginctl terminate-user flowstate"),
	py(`import subprocess; subprocess.run("rm -rf *", shell=True, cwd="/home/flowstate")`, "[/home/flowstate] sh rm -rf *"),
	py(`import os; os.chdir("/home/flowstate"); os.system("rm -rf *")`, "[/home/flowstate] sh rm -rf *"),
	py(`import os; os.kill(-1, 9)`, "run kill -9 -- -1"),
	py(`import os, signal; os.kill(-1, signal.SIGKILL)`, "run kill -KILL -- -1"),
	py(`import os,signal; os.kill(1, signal.SIGTERM)`, "run kill -TERM -- 1"),
	py(`import os; os.killpg(1, 9)`, "run kill -9 -- -1"),
	py(`import os,subprocess
for p in subprocess.check_output(["pgrep", "conmon"]).split():
    os.kill(int(p), 9)`, "run kill -9 -- …"),
	py(`import shutil; shutil.rmtree("/home/flowstate/.local/share/containers")`, "run rm -rf -- /home/flowstate/.local/share/containers"),
	py(`import shutil, os; shutil.rmtree(os.path.expanduser("~/.config/containers/systemd"))`, "run rm -rf -- /home/flowstate/.config/containers/systemd"),
	py(`import shutil, os; shutil.rmtree(os.environ["HOME"] + "/.config/containers")`, "run rm -rf -- /home/flowstate/.config/containers"),
	py(`import shutil, os; shutil.rmtree(f"{os.environ['HOME']}/.config/containers")`, "run rm -rf -- /home/flowstate/.config/containers"),
	py(`import shutil, os; shutil.rmtree(os.path.join(os.getenv("HOME"), ".config", "containers"))`, "run rm -rf -- /home/flowstate/.config/containers"),
	py(`from pathlib import Path; import shutil; shutil.rmtree(Path.home() / ".config" / "containers")`, "run rm -rf -- /home/flowstate/.config/containers"),
	py(`from pathlib import Path; (Path.home()/".config/containers/systemd/postgres.container").unlink()`, "run rm -f -- /home/flowstate/.config/containers/systemd/postgres.container"),
	py(`from pathlib import Path; Path("~/.config/containers/systemd/postgres.container").expanduser().write_text("")`, "run > /home/flowstate/.config/containers/systemd/postgres.container"),
	py(`import os; os.remove("/home/flowstate/.config/containers/systemd/postgres.container")`, "run rm -f -- /home/flowstate/.config/containers/systemd/postgres.container"),
	py(`import os; os.rename("/home/flowstate/.config/containers/systemd", "/tmp/x")`, "run mv -- /home/flowstate/.config/containers/systemd /tmp/x"),
	py(`import shutil; shutil.move("/home/flowstate/.config/containers/systemd", "/tmp/x")`, "run mv -- /home/flowstate/.config/containers/systemd /tmp/x"),
	py(`open("/home/flowstate/.config/containers/systemd/postgres.container", "w").close()`, "run > /home/flowstate/.config/containers/systemd/postgres.container"),
	py(`with open("/home/flowstate/.config/keeper/keeper.toml", mode="a") as f: f.write("x")`, "run >> /home/flowstate/.config/keeper/keeper.toml"),
	py(`import os; os.chmod("/home/flowstate/.config/containers/systemd/a.container", 0o000)`, "run chmod 000 -- /home/flowstate/.config/containers/systemd/a.container"),
	py(`import os; os.truncate("/home/flowstate/.config/keeper/keeper.toml", 0)`, "run truncate -s 0 -- /home/flowstate/.config/keeper/keeper.toml"),
	py(`import dbus; bus = dbus.SystemBus(); m = dbus.Interface(bus.get_object("org.freedesktop.login1", "/org/freedesktop/login1"), "org.freedesktop.login1.Manager"); m.TerminateUser(1000)`, "find session.bus"),
	py(`from pydbus import SystemBus; SystemBus().get("org.freedesktop.login1").KillUser(1000, 9)`, "find session.bus"),
	py(`from gi.repository import Gio; b.call_sync("org.freedesktop.login1","/org/freedesktop/login1","org.freedesktop.login1.Manager","TerminateUser",v,None,0,-1,None)`, "find session.bus"),
	py(`import dbus; dbus.SystemBus().get_object("org.freedesktop.login1","/org/freedesktop/login1").PowerOff(False, dbus_interface="org.freedesktop.login1.Manager")`, "find machine.power"),
	py(`import dbus; dbus.SystemBus().get_object("org.freedesktop.login1","/org/freedesktop/login1").SetUserLinger(1000, False, False)`, "find session.linger"),
	py(`import dbus; m = dbus.Interface(dbus.SessionBus().get_object("org.freedesktop.systemd1","/org/freedesktop/systemd1"),"org.freedesktop.systemd1.Manager"); m.StopUnit("postgres.service","replace")`, "run systemctl --user stop postgres.service"),
	py(`import psycopg; c = psycopg.connect("host=db"); c.execute("DROP TABLE ledger")`, "sql DROP TABLE ledger"),
	py(`import psycopg2
c = psycopg2.connect("")
cur = c.cursor()
q = "TRUNCATE " + "ledger"
cur.execute(q)`, "sql TRUNCATE ledger"),
	py(`import psycopg
for q in ["TRUNCATE ledger"]:
    psycopg.connect("").execute(q)`, "sql TRUNCATE ledger"),
	py(`from sqlalchemy import text; engine.execute(text("DELETE FROM ledger"))`, "sql DELETE FROM ledger"),
	py(`import redis; redis.Redis().flushall()`, "find data.redis"),
	py(`import redis; r = redis.Redis(); r.shutdown()`, "find data.redis"),
	py(`import redis; redis.Redis().execute_command("FLUSHALL")`, "run redis-cli FLUSHALL"),
	py(`import redis; redis.Redis().config_set("save", "")`, "run redis-cli CONFIG SET save "),
	py(`import boto3; boto3.resource("s3").Bucket("x").objects.all().delete()`, "find data.bucket"),
	py(`import boto3; boto3.client("s3").delete_bucket(Bucket="x")`, "find data.bucket"),
	py(`from minio import Minio; Minio("x").remove_bucket("ledger")`, "find data.bucket"),
	py(`from app.models import Entry; Entry.objects.all().delete()`, "find data.django"),
	py(`from django.core.management import call_command; call_command("flush", "--no-input")`, "find data.django"),
	py(`from django.core.management import call_command; call_command("migrate", "app", "zero")`, "find data.django"),
	py(`import requests_unixsocket; requests_unixsocket.post("http+unix://%2Frun%2Fuser%2F1000%2Fkeeper%2Fkeeper.sock/v1/services/x/pause")`, "find keeper.socket"),
	py(`import socket; s = socket.socket(1, 1); s.connect("/run/user/1000/podman/podman.sock"); s.send(b"POST /v5.0.0/libpod/containers/prune HTTP/1.0\r\n\r\n")`, "find stack.socket"),
	py(`import podman; client = podman.PodmanClient(); client.volumes.prune()`, "run podman volume prune -f"),
	py(`import podman; client = podman.PodmanClient(); client.containers.get("postgres").stop()`, "run podman container stop postgres"),
	py(`import os; os.system(os.environ["SHELL_SAID"])`, shTerm),
	py(`import glob, os
for f in glob.glob(os.path.expanduser("~/.config/containers/systemd/*.container")):
    os.remove(f)`, "run rm -f -- /home/flowstate/.config/containers/systemd/*.container"),
	py(`from pathlib import Path
for f in (Path.home() / ".config/containers/systemd").iterdir():
    f.unlink()`, "run rm -f -- /home/flowstate/.config/containers/systemd/*"),
	py(`import shutil
for d in ["/tmp/x", "/home/flowstate/.config/containers"]:
    shutil.rmtree(d)`, "run rm -rf -- /tmp/x /home/flowstate/.config/containers"),
	py(`import shutil
def wipe(d):
    shutil.rmtree(d)
wipe("/home/flowstate/.config/containers")`, "run rm -rf -- /home/flowstate/.config/containers"),
	py(`import psutil
for p in psutil.process_iter():
    if p.name() == "conmon":
        p.kill()`, "run pkill conmon"),
	py(`import psutil; [p.terminate() for p in psutil.process_iter()]`, "run kill -9 -- -1"),
	py(`import os, sys; os.system(sys.argv[1])`, "sh …")}

func init() {
	last := &pythonCases[len(pythonCases)-1]
	last.words, last.want = append(last.words, "loginctl terminate-user flowstate"), shTerm
	pythonCases = append(pythonCases,
		in(shTerm, "python", "-Ic", `import os; os.system("loginctl terminate-user flowstate")`),
		in(shTerm, "python3.12", "-u", "-W", "ignore", "-c", `import os; os.system("loginctl terminate-user flowstate")`),
		in(shTerm, "pypy3", `-cimport os; os.system("loginctl terminate-user flowstate")`),
		in(shTerm, "python3", "-", "< import os; os.system('loginctl terminate-user flowstate')"),
		in(shTerm, "python3", "< import os; os.system('loginctl terminate-user flowstate')"),
		in(shTerm, "python3", "kill.py"),
		in(shTerm, "python3", "-c", "import os,sys; os.system(sys.stdin.read())", "< loginctl terminate-user flowstate"),
		in(shTerm, "python3", "-c", "import subprocess,sys; subprocess.run(sys.stdin.readline(), shell=True)", "< loginctl terminate-user flowstate"),
		in(runTerm, "python3", "-c", "import subprocess,sys; subprocess.run(sys.argv[1:])", "loginctl", "terminate-user", "flowstate"),
	)
}
