//! HTTP against the real thing: nginx, and Squid before it.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says what it skips")]

#[path = "support/requirements.rs"]
mod requirements;

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lb_health::{
    Failure, FailureKind, HealthCheck, Login, Outcome, Pattern, Target,
    probe::{
        http::{BodyRules, Http, HttpSettings},
        http_proxy::HttpProxy,
        tcp::Tcp,
    },
};

use self::requirements::require_program;

/// A daemon of the test's own, ended with it.
struct Daemon {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts it with the configuration that `configure` makes of a folder and a port; waits until it listens.
    fn start(
        program: &Path,
        arguments: impl FnOnce(&Path) -> Vec<String>,
        configure: impl FnOnce(&Path, u16) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Neither can be told to take any free port and to say which.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // Both give up root for a user of their own.
        let mut permissions = fs::metadata(folder.path()).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o777);
        fs::set_permissions(folder.path(), permissions).unwrap();
        let config = folder.path().join("config");
        fs::File::create(&config)
            .unwrap()
            .write_all(configure(folder.path(), address.port()).as_bytes())
            .unwrap();
        let mut command = Command::new(program);
        command.args(arguments(&config)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = Self { child: command.spawn().unwrap(), address, _folder: folder };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(daemon.child.try_wait().unwrap().is_none(), "{} has ended", program.display());
            assert!(begin.elapsed() < Duration::from_secs(60), "{} does not listen", program.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    fn nginx(test: &str) -> Option<Self> {
        let program = require_program(test, "nginx")?;
        let arguments = |config: &Path| vec!["-c".into(), config.display().to_string()];
        Some(Self::start(&program, arguments, |folder, port| {
            let folder = folder.display();
            // openssl passwd -apr1 -salt abcdefgh geheim (OpenSSL 3.0.22)
            fs::write(format!("{folder}/users"), "eva:$apr1$abcdefgh$bw9gEObk10asetVLiysIZ0\n").unwrap();
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {folder}/{name};"))
                .concat();
            format!(
                "daemon off; pid {folder}/pid; error_log /dev/null; worker_processes 1; events {{ }}
                 http {{ access_log off; {temporary} server {{
                   listen 127.0.0.1:{port};
                   location / {{ return 200 'hello $host'; }}
                   location /broken {{ return 503; }}
                   location /moved {{ return 302 /; }}
                   location /away {{ return 302 http://elsewhere.example/; }}
                   location /post {{ if ($request_method != POST) {{ return 405; }} return 201 'posted'; }}
                   location /private {{ auth_basic x; auth_basic_user_file {folder}/users; try_files /x =404; }}
                 }} }}"
            )
        }))
    }

    fn squid(test: &str) -> Option<Self> {
        let program = require_program(test, "squid")?;
        let arguments = |config: &Path| vec!["-N".into(), "-f".into(), config.display().to_string()];
        Some(Self::start(&program, arguments, |folder, port| {
            let folder = folder.display();
            format!(
                "http_port 127.0.0.1:{port}\nhttp_access allow all\ncache deny all\npid_filename none\n\
                 access_log none\ncache_log {folder}/cache.log\ncoredump_dir {folder}\nshutdown_lifetime 0 seconds\n\
                 netdb_filename none\nvisible_hostname localhost\n"
            )
        }))
    }

    fn target(&self) -> Target {
        Target::new(self.address)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The workers of nginx end with their master only if it is asked, and not killed.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn look(settings: HttpSettings, target: &Target) -> Outcome {
    tokio::time::timeout(Duration::from_secs(30), Http::new(settings).unwrap().check(target)).await.unwrap()
}

fn at(path: &str) -> HttpSettings {
    HttpSettings { path: path.into(), ..HttpSettings::default() }
}

fn body(pattern: &str) -> BodyRules {
    BodyRules::matching(Pattern::new(pattern).unwrap())
}

#[tokio::test]
async fn nginx() {
    let Some(nginx) = Daemon::nginx("nginx") else { return };
    let target = nginx.target();
    let fails = async |settings| -> Failure { look(settings, &target).await.unwrap_err() };

    assert_eq!(look(at("/"), &target).await.unwrap().detail, "200 OK");
    Tcp.check(&target).await.unwrap();
    let named =
        HttpSettings { host: Some("www.example".into()), body: body("^hello www.example$"), ..at("/") };
    look(named.clone(), &target).await.unwrap();
    look(HttpSettings { http10: true, ..named }, &target).await.unwrap();
    look(HttpSettings { method: "HEAD".into(), ..at("/") }, &target).await.unwrap();
    assert_eq!(fails(at("/broken")).await.detail, "503 Service Temporarily Unavailable");
    assert_eq!(fails(HttpSettings { body: body("bye"), ..at("/") }).await.kind, FailureKind::WrongAnswer);

    assert_eq!(fails(at("/moved")).await.detail, "302 Moved Temporarily");
    look(HttpSettings { redirects: 1, ..at("/moved") }, &target).await.unwrap();
    assert!(fails(HttpSettings { redirects: 9, ..at("/away") }).await.detail.contains("elsewhere.example"));

    let post = HttpSettings { method: "POST".into(), payload: Some("a=b".into()), ..at("/post") };
    assert_eq!(look(post, &target).await.unwrap().detail, "201 Created");

    let login = |password: &str| HttpSettings { login: Some(Login::new("eva", password)), ..at("/private") };
    assert_eq!(fails(at("/private")).await.kind, FailureKind::WrongAnswer);
    assert_eq!(fails(login("wrong")).await.kind, FailureKind::Denied);
    // Let in, to where nothing is.
    assert_eq!(fails(login("geheim")).await.detail, "404 Not Found");
}

#[tokio::test]
async fn squid() {
    let (Some(squid), Some(nginx)) = (Daemon::squid("squid"), Daemon::nginx("squid")) else { return };
    let through = |path: &str| {
        let settings = HttpSettings { body: body("^hello 127"), ..HttpSettings::default() };
        HttpProxy::new(&format!("http://{}{path}", nginx.address), settings).unwrap()
    };
    let passed = through("/").check(&squid.target()).await.unwrap();
    assert_eq!(passed.detail, "200 OK");
    let broken = through("/broken").check(&squid.target()).await.unwrap_err();
    assert_eq!(broken.kind, FailureKind::WrongAnswer);
    #[cfg(feature = "tls")]
    {
        // Squid's default rules are not ours: the tunnel is made, and behind it nobody speaks TLS.
        let tunnel = HttpProxy::new(&format!("https://{}/", nginx.address), HttpSettings::default()).unwrap();
        let failure = tunnel.check(&squid.target()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Tls, "{failure}");
    }
}
