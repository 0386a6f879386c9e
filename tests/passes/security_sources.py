"""Pieces of Python that bandit speaks of, and bandit itself to say what, given bytes as its manager is."""

import io
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bandit.core.config import BanditConfig
from bandit.core.manager import BanditManager
from bandit.core.tester import BanditTester

from konivrer_watch.passes.security.driver import SecurityEngine
from konivrer_watch.passes.security.profile import load_profile

PACK_FILE = Path(__file__).parents[2] / "rules" / "security.yaml"
PACK = PACK_FILE.read_bytes()

IMPORTS = """\
import os, stat, ssl, random, marshal, yaml
import telnetlib
import ftplib
import pickle
import subprocess
import xmlrpc.client
import pyghmi
import tarfile
import xml.etree.ElementTree as ET
import xml.sax
import xml.dom.expatbuilder
import xml.dom.minidom
import xml.dom.pulldom
import xml.etree.cElementTree
import xml.sax.expatreader
import tempfile
import requests
import httpx
import hashlib
import crypt
import paramiko
import flask
import jinja2
import mako.template
import logging.config
import torch
import markupsafe
import urllib.request
import pysnmp.hlapi
import Crypto.Cipher
import Crypto.Hash.MD5 as MD5
import cryptography.hazmat.primitives.ciphers.modes
from wsgiref.handlers import CGIHandler
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import rsa, dsa, ec
from django.utils.safestring import mark_safe
from django.db.models.expressions import RawSQL
from transformers import AutoModel
from huggingface_hub import snapshot_download
from os import system as run_it, chmod
from . import sibling as alias
from .. import *
from subprocess import Popen as P
"""

SNIPPETS = (
    IMPORTS,
    "assert x == 1, 'no'\n",
    "exec('x = 1')\neval('1')\n",
    "os.chmod('/etc/passwd', 0o777)\nchmod(name, 0o750)\nos.chmod(p, stat.S_IRWXU)\n",
    "HOST = '0.0.0.0'\nserve(('0.0.0.0', 80))\n",
    "password = 'swordfish'\nself.token = 'x'\n",
    "d = {'password': 'a', 'other': 'b'}\nd['secret'] = 'c'\nif password == 'd' or user.pwd == 'e': pass\n",
    "connect(user, password='swordfish',\n        host='h')\n",
    "def f(user, password='Admin', token=None, *, pwd='q'): return password\n",
    "async def f(user, password='Admin'): await g('/tmp/y')\n",
    "open('/tmp/abc', 'w')\nopen(b'/tmp/abc')\n'/tmp/a statement of its own'\n",
    "try:\n    a()\nexcept Exception:\n    pass\n",
    "for i in x:\n    try:\n        a()\n    except:\n        continue\n",
    "try:\n    a()\nexcept (ValueError, TypeError):\n    pass\n",
    "requests.get('https://x', verify=False)\nhttpx.post(u, timeout=None)\n",
    "app = flask.Flask('x')\napp.run(host=h,\n        debug=True)\n",
    "tarfile.open(n).extractall(members=safe(t))\nt.extractall(members=m)\nt.extractall()\n",
    "t.extractall(filter='data')\nt.extractall(members=x.y(t))\n",
    "hashlib.md5(b)\nhashlib.sha1(b, usedforsecurity=False)\nhashlib.new('md4', b)\n",
    "crypt.crypt('x', salt=crypt.METHOD_MD5)\ncrypt.mksalt(crypt.METHOD_CRYPT)\n",
    "ssl.wrap_socket(s, ssl_version=ssl.PROTOCOL_SSLv3)\nssl.wrap_socket(s)\n",
    "do(method=SSL.SSLv2_METHOD)\ndef f(version=ssl.PROTOCOL_SSLv2): pass\n",
    "dsa.generate_private_key(512, backend)\nrsa.generate_private_key(65537, key_size=1024)\n",
    "ec.generate_private_key(ec.SECT163K1, backend)\nRSA.generate(bits=512)\n",
    "yaml.load(f)\nyaml.load(f, Loader=yaml.SafeLoader)\n",
    "ssh = paramiko.SSHClient()\nssh.set_missing_host_key_policy(paramiko.AutoAddPolicy)\n",
    "ssh.exec_command('ls; ' + x)\n",
    "pysnmp.hlapi.CommunityData('public', mpModel=0)\npysnmp.hlapi.UsmUserData('a')\n",
    "subprocess.call('ls ' + x, shell=True)\nsubprocess.Popen('ls', shell=1)\nP(cmd)\n",
    "subprocess.run(['ls', x],\n    check=True,\n    shell=False)\n",
    "other(cmd,\n      shell=True)\nrun_it('/bin/' + x)\nos.system('ls')\n",
    "os.execl(path, 'a')\nos.spawnv(m, 'ls', a)\nos.popen('tar *')\nsubprocess.call('chown * x', shell=True)\n",
    "q = 'select * from t where a = ' + x\ncur.execute('select %s from t ' % x)\n",
    "cur.execute(f'delete from {t} where a')\nf'a{b}select * from t '\n",
    "s = 'select {} from t '.format(x)\nx = 'insert into a values(1)'.replace(a, b) + 'c'\n",
    "User.objects.extra(where=['a = %s' % x])\nUser.objects.filter().extra(select={'a': b})\n",
    "RawSQL('a' + x, [])\nRawSQL(sql=y)\nRawSQL('fixed', [])\n",
    "logging.config.listen(9999)\n",
    "x = 'a\u202eb'  # \u2066\n",
    "torch.load('x')\ntorch.load('x', weights_only=True)\n",
    "AutoModel.from_pretrained('org/x')\nsnapshot_download(repo_id='o/x', revision='main')\n",
    "jinja2.Environment(loader=l)\njinja2.Environment(autoescape=False)\n",
    "mako.template.Template('x')\n",
    "def f(x):\n    y = 'a'\n    if x:\n        y = x\n    return mark_safe(y)\nmark_safe('%s' % b)\nmark_safe(c)\n",
    "mark_safe('{}'.format('a'))\nmark_safe()\n",
    "markupsafe.Markup(f'<b>{x}</b>')\nflask.Markup('fixed')\n",
    "pickle.loads(b)\nmarshal.load(f)\nMD5.new()\nCrypto.Cipher.ARC4.new(k)\n",
    "cryptography.hazmat.primitives.ciphers.modes.ECB()\ntempfile.mktemp()\nrandom.random()\n",
    "urllib.request.urlopen(u)\ntelnetlib.Telnet(h)\nftplib.FTP(h)\nssl._create_unverified_context()\n",
    "xml.etree.cElementTree.parse(f)\nET.parse(f)\nxml.sax.expatreader.create_parser()\nxml.sax.parse(f)\n",
    "xml.dom.expatbuilder.parse(f)\nxml.dom.minidom.parse(f)\nxml.dom.pulldom.parse(f)\n",
    "__import__('pickle')\n__import__(name)\n__import__()\n",
    "import importlib\nimportlib.import_module('telnetlib')\nimportlib.import_module(name='pickle')\n",
    "from importlib import import_module\nimport_module()\nimport_module(f'{x}')\n",
    "class C:\n    password = 'a'\n    def m(self, token='t'):\n        return lambda pwd='p': exec(pwd)\n",
    "with open('/tmp/a') as f, open('/tmp/b') as g: pass\n",
    "match x:\n    case {'password': 'a'} if eval('b'): exec(c)\n    case '/tmp/x': pass\n",
    "[eval(x) for x in '/tmp/a' if exec(x)]\n",
    "x = ('/tmp/a'\n     '/tmp/b',\n     eval(\n         y))\n",
    "@decorate('/tmp/a')\nclass D(metaclass=eval('M')): pass\n",
    "f(**{'password': 'x'})\nf(*a, shell=True)\nf(**kw)\n(lambda: 0)()\nf()()\na[0](shell=True)\n",
    "\u00e9 = 'caf\u00e9', eval('\u00e9'), '/tmp/\u00e9'\n",
    "eval(x)  # nosec\n",
    "eval(x)  # nosec B307\nexec(x)  # nosec: B307\nexec(x)  # nosec exec_used\n",
    "subprocess.call('ls', shell=True)  # nosec B602,B607 why not\n",
    "subprocess.call(\n    'ls',  # nosec B607\n    shell=True)  # nosec B602 # noqa\n",
    "password = 'x'  # nosec B999\nassert y  # NOSEC\nassert z  #nosec:B101\n",
    "x = (\n    '/tmp/a',  # nosec\n    '/tmp/b')\n",
    "x = 1 + \\\n    eval(y)\n",
    "if a:\n\\\n    eval(b)\n",
    "\x0ceval(x)\n",
)

WHOLE = (IMPORTS + "".join(SNIPPETS[1:])).encode()

Seen = tuple[list[dict[str, Any]], int, bool, int]
"""bandit's issues as it would print them, how many it silenced, whether it skipped the file, tests that failed."""


def ask_bandit(
    data: bytes, name: str = "./a.py", config: str | None = None, profile: dict[str, set[str]] | None = None
) -> Seen:
    """Have bandit's own manager scan the bytes."""
    faults: list[str] = []
    with patch.object(BanditTester, "report_error", staticmethod(lambda test, _, __: faults.append(test))):
        manager = BanditManager(BanditConfig(config), "file", quiet=True, profile=profile)
        manager._parse_file(name, io.BytesIO(data), [name])
    counts = manager.metrics.data[name]
    issues = [issue.as_dict(with_code=False) for issue in manager.results]
    skipped = bool(manager.skipped)
    silenced = 0 if skipped else counts["nosec"] + counts["skipped_tests"]
    return issues, silenced, skipped, 0 if skipped else len(faults)


def engine(**files: str) -> SecurityEngine:
    """Make an engine of these texts of ``bandit.yaml``, ``pyproject.toml`` and ``.bandit``."""
    names = {"yaml": "bandit.yaml", "toml": "pyproject.toml", "ini": ".bandit"}
    return SecurityEngine(load_profile({names[kind]: text.encode() for kind, text in files.items()}, PACK))


def codes(judge: SecurityEngine, data: bytes = WHOLE, path: bytes = b"a.py") -> list[tuple[int, str]]:
    """Say which tests spoke on which lines."""
    return [(finding.line, finding.code) for finding in judge.judge(path, data).findings]
