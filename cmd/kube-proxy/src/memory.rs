//! EDGE: has the allocator keep little for later, and give back what it kept.
//!
//! Knows nothing of who needed it. Other allocators than glibc's are left to themselves.

/// What each thread may keep of the memory that it gave back last, in bytes: glibc's own default. Said once, it stays;
/// left alone, glibc makes it twice the largest piece that was ever given back, which is a text with all rules.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 128 << 10;

/// To be called once, before other threads start.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "glibc's allocator can be told by nothing but a call into C")]
pub(crate) fn keep_little() {
    // SAFETY: it takes no pointer, and nothing is assumed of what it does.
    let _was_understood = unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT) };
}

/// To be called when much was needed for a short time. What is in use stays where it is.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "glibc's allocator can be told by nothing but a call into C")]
pub(crate) fn give_back() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time.
    let _whether_any = unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub(crate) fn keep_little() {}

#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}
