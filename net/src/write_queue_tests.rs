use super::*;

/// Takes as many bytes per call as its script says; 0 stands for "would block".
struct Peer {
    script: Vec<usize>,
    got: Vec<u8>,
    calls: usize,
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.script.get(self.calls).copied().unwrap_or(usize::MAX);
        self.calls += 1;
        if room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let before = self.got.len();
        for slice in slices {
            let n = slice.len().min(room - (self.got.len() - before));
            self.got.extend_from_slice(&slice[..n]);
        }
        Ok(self.got.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn queue_of(pieces: &[&'static [u8]]) -> WriteQueue {
    let mut queue = WriteQueue::default();
    for piece in pieces {
        queue.push(Bytes::from_static(piece));
    }
    queue
}

#[test]
fn short_writes_keep_order_and_lose_nothing() {
    let mut queue = queue_of(&[b"ab", b"", b"cdef", b"g", b"hij"]);
    assert_eq!(queue.len(), 10);
    let mut peer = Peer {
        script: vec![1, 3, 0],
        got: vec![],
        calls: 0,
    };
    assert_eq!(
        queue.write_to(&mut peer).unwrap(),
        Written {
            bytes: 4,
            blocked: true
        }
    );
    assert_eq!(queue.len(), 6);
    assert_eq!(
        queue.write_to(&mut peer).unwrap(),
        Written {
            bytes: 6,
            blocked: false
        }
    );
    assert_eq!(peer.got, b"abcdefghij");
    assert!(queue.is_empty());
}

#[test]
fn many_pieces_leave_in_one_write() {
    let mut queue = queue_of(&[&b"x"[..]; PIECES_PER_WRITE]);
    let mut peer = Peer {
        script: vec![],
        got: vec![],
        calls: 0,
    };
    queue.write_to(&mut peer).unwrap();
    assert_eq!((peer.calls, peer.got.len()), (1, PIECES_PER_WRITE));
}

#[test]
fn a_turn_ends_after_its_share() {
    let mut queue = WriteQueue::default();
    for _ in 0..8 {
        queue.push(Bytes::from(vec![0; BYTES_PER_TURN / 2]));
    }
    let mut peer = Peer {
        script: vec![BYTES_PER_TURN / 2; 99],
        got: vec![],
        calls: 0,
    };
    assert_eq!(
        queue.write_to(&mut peer).unwrap(),
        Written {
            bytes: BYTES_PER_TURN,
            blocked: false
        }
    );
    assert_eq!(queue.len(), 3 * BYTES_PER_TURN);
}

#[test]
fn clearing_says_how_much_was_lost() {
    let mut queue = queue_of(&[b"abc", b"de"]);
    assert_eq!(queue.clear(), 5);
    assert!(queue.is_empty());
}
