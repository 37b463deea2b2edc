//! Filling a repository with incompressible data.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

/// The size of a file, in bytes.
const FILE: usize = 1_000_000;

/// Replaces `main` of a bare repository by a commit of files with `bytes` in total.
pub(crate) fn fill(folder: &Path, bytes: usize) {
    let mut git = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["fast-import", "--quiet", "--force"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("Git is on this machine");
    let mut import = std::io::BufWriter::new(git.stdin.take().unwrap());
    let mut random = StdRng::seed_from_u64(4);
    let mut left = bytes;
    let message = "Large files";
    write!(
        import,
        "commit refs/heads/main\ncommitter Ada <ada@mycompany.example> 1767600000 +0000\ndata {}\n{message}\n",
        message.len()
    )
    .unwrap();
    for number in 0.. {
        let mut content = vec![0; left.min(FILE)];
        random.fill_bytes(&mut content);
        write!(import, "M 100644 inline large/{number}.bin\ndata {}\n", content.len()).unwrap();
        import.write_all(&content).unwrap();
        writeln!(import).unwrap();
        left -= content.len();
        if left == 0 {
            break;
        }
    }
    import.into_inner().unwrap().flush().unwrap();
    assert!(git.wait().unwrap().success(), "fast-import failed");
}
