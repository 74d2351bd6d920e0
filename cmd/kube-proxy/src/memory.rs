//! EDGE: gives back to the system what the allocator keeps for later.
//!
//! Knows nothing of who needed it.

/// To be called when much was needed for a short time. What is in use stays where it is.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "glibc's allocator can be told by nothing but a call into C")]
pub(crate) fn give_back() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time.
    let _whether_any = unsafe { libc::malloc_trim(0) };
}

/// Other allocators are left to themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}
