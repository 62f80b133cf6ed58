//! CRC32C (Castagnoli), the only checksum of the format, always stored as four bytes, big endian.

use crc_fast::CrcAlgorithm;

/// Bytes of a stored checksum.
pub const LEN: usize = 4;

/// The checksum of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    narrow(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// A checksum of bytes that come in parts.
#[derive(Clone, Debug)]
pub struct Running(crc_fast::Digest);

impl Default for Running {
    fn default() -> Self {
        Self(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi))
    }
}

impl Running {
    /// The next part.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all parts so far.
    pub fn value(&self) -> u32 {
        narrow(self.0.finalize())
    }
}

/// The library gives 64 bits for every width.
fn narrow(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
        let mut running = Running::default();
        running.update(b"1234");
        running.update(b"");
        running.update(b"56789");
        assert_eq!(running.value(), 0xE306_9283);
        assert_eq!(Running::default().value(), 0);
    }
}
