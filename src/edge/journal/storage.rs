//! What the journal needs of a disk, and the real one. Tests put one in its place that loses power.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// One folder of files. What was done to a file is durable after [`StorageFile::sync`], that it is
/// there (or not any more) after [`Storage::sync_folder`].
pub(super) trait Storage: Clone {
    type File: StorageFile;

    /// The names of all files, in any order.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Makes a file that was not there, of `len` zeros for which there is room on the disk.
    fn create(&self, name: &str, len: u64) -> io::Result<Self::File>;
    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn sync_folder(&self) -> io::Result<()>;
    /// A number that nobody who sends us bodies can foretell.
    fn salt(&self) -> u64;
}

/// An open file.
pub(super) trait StorageFile {
    fn len(&self) -> io::Result<u64>;
    /// Fills `bytes` from `at`; an error of kind `UnexpectedEof` where the file is shorter.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn truncate(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Syncs, and lets what is read after this come from the disk: where an earlier sync failed,
    /// the kernel may show bytes that are not there and never will be.
    fn settle(&self) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Opens or makes the folder, for this user alone, so that it survives a power cut.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let folder = folder.canonicalize()?;
        File::open(&folder)?.sync_all()?;
        for above in folder.ancestors().skip(1) {
            // We may not be allowed to read what lies far above, and did not make it either.
            if let Ok(above) = File::open(above) {
                above.sync_all()?;
            }
        }
        Ok(Self { folder })
    }
}

impl Storage for Disk {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str, len: u64) -> io::Result<File> {
        let path = self.folder.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        if let Err(error) = allocate(&file, len) {
            // Half a file would only be in the way.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let path = self.folder.join(name);
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn salt(&self) -> u64 {
        rand::random()
    }
}

impl StorageFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(bytes, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn settle(&self) -> io::Result<()> {
        self.sync_data()?;
        Ok(rustix::fs::fadvise(
            self,
            0,
            None,
            rustix::fs::Advice::DontNeed,
        )?)
    }
}

/// Reserves the room, so that a full disk is met here and not in the middle of a record.
fn allocate(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let flags = rustix::fs::FallocateFlags::empty();
    match rustix::fs::fallocate(file, flags, 0, len) {
        Ok(()) => Ok(()),
        // Not every file system can.
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(len),
        Err(error) => Err(error.into()),
    }
}
