use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use fleet_tests::dockerfile::Dockerfile;
use fleet_tests::process::Ended;
use serde_json::Value;

use super::building;
use super::container::{Container, Network};
use super::tools::Tools;

/// What the build is told to call itself.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The same for all, so that a commit makes nobody compile anew.
pub(crate) const COMMIT: &str = "0123456789ab";

/// The image, unpacked for a runtime.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) tools: Tools,
    dockerfile: Dockerfile,
    libraries: Vec<PathBuf>,
}

impl Image {
    /// Makes it once for all tests; `None` where it cannot be, which has been said then.
    pub(crate) fn get() -> Option<&'static Self> {
        static IMAGE: OnceLock<Option<Image>> = OnceLock::new();
        IMAGE.get_or_init(|| Tools::find().map(Self::make)).as_ref()
    }

    fn make(tools: Tools) -> Self {
        building::make_context();
        let program = building::build(VERSION, COMMIT).unwrap_or_else(|said| panic!("{said}"));
        let image = Self {
            tools,
            dockerfile: Dockerfile::read(&[("VERSION", VERSION), ("COMMIT", COMMIT)]),
            libraries: libraries_of(&program),
        };
        image.lay_out(&program);
        image
    }

    /// Makes a layout of two layers, what stands for the base and the program, and unpacks it.
    fn lay_out(&self, program: &Path) {
        let folder = building::folder();
        for old in ["layout", "bundle", "base"] {
            let _ = fs::remove_dir_all(folder.join(old));
        }
        self.make_base(&folder.join("base"));
        let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (layout, base, bundle) = (at("layout"), at("base"), at("bundle"));
        let tag = format!("{layout}:fleet");
        let umoci = |arguments: &[&str]| self.tools.run("umoci", arguments.iter().copied());
        umoci(&["init", "--layout", &layout]);
        umoci(&["new", "--image", &tag]);
        umoci(&["insert", "--image", &tag, &base, "/"]);
        for (_, to) in self.dockerfile.copies() {
            umoci(&["insert", "--image", &tag, program.to_str().unwrap(), to]);
        }
        let settings = self.settings();
        let flags = settings
            .iter()
            .flat_map(|(flag, value)| [flag.as_str(), value.as_str()]);
        let config = ["config", "--image", &tag].into_iter().chain(flags);
        self.tools.run("umoci", config);
        umoci(&["unpack", "--image", &tag, &bundle]);
    }

    /// What the last stage tells the image, as `umoci config` takes it.
    fn settings(&self) -> Vec<(String, String)> {
        let file = &self.dockerfile;
        let mut settings = vec![
            ("--config.user", file.the("USER").to_owned()),
            ("--config.stopsignal", file.the("STOPSIGNAL").to_owned()),
            (
                "--config.exposedports",
                format!("{}/tcp", file.the("EXPOSE")),
            ),
        ];
        let words = |keyword: &str| file.exec(keyword);
        settings.extend(
            words("ENTRYPOINT")
                .into_iter()
                .map(|word| ("--config.entrypoint", word)),
        );
        settings.extend(words("CMD").into_iter().map(|word| ("--config.cmd", word)));
        for (flag, keyword) in [("--config.env", "ENV"), ("--config.label", "LABEL")] {
            let pairs = file.pairs(keyword).into_iter();
            settings.extend(pairs.map(|(name, value)| (flag, format!("{name}={value}"))));
        }
        let owned = settings
            .into_iter()
            .map(|(flag, value)| (flag.to_owned(), value));
        owned.collect()
    }

    /// What stands for the base: its libraries, its users, its certificates.
    fn make_base(&self, base: &Path) {
        for library in &self.libraries {
            let to = base.join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(library, to).unwrap();
        }
        let users =
            "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
        fs::create_dir_all(base.join("etc/ssl/certs")).unwrap();
        fs::write(base.join("etc/passwd"), users).unwrap();
        let certificates = "etc/ssl/certs/ca-certificates.crt";
        // Nobody outside this machine is called, so that none at all will do as well.
        let known = fs::read(Path::new("/").join(certificates)).unwrap_or_default();
        fs::write(base.join(certificates), known).unwrap();
    }

    /// Returns what the image was made of.
    pub(crate) fn dockerfile(&self) -> &Dockerfile {
        &self.dockerfile
    }

    /// Returns the libraries that the program links, the loader among them.
    pub(crate) fn libraries(&self) -> &[PathBuf] {
        &self.libraries
    }

    /// Returns the command by which it is asked for its health.
    pub(crate) fn health(&self) -> Vec<String> {
        self.dockerfile.exec("HEALTHCHECK")
    }

    /// Returns the labels, as the unpacked image has them.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        serde_json::from_value(self.specification()["annotations"].clone()).unwrap()
    }

    /// Returns how a runtime is told to run it.
    pub(crate) fn specification(&self) -> Value {
        let path = building::folder().join("bundle/config.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Runs it to its end, with nothing but its own environment.
    pub(crate) async fn run(&self, network: Network, arguments: &[&str]) -> Ended {
        let nothing: [(&String, &String); 0] = [];
        let container = self.start(network, arguments, nothing).await;
        container.ended().await
    }

    /// Starts it; without arguments, the command of the image.
    pub(crate) async fn start<'a>(
        &self,
        network: Network,
        arguments: &[&str],
        env: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Container<'_> {
        Container::start(self, network, arguments, env)
    }
}

/// Asks the loader what a program links.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.lines().flat_map(str::split_whitespace);
    words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}
