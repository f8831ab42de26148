# ccache when it is there, unless the user named a launcher (an empty one turns it off). Only for our own builds, not for a
# project that takes linn in with add_subdirectory.
if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LINN_CCACHE ccache)
  mark_as_advanced(LINN_CCACHE)
  if(LINN_CCACHE)
    # Without these words it keeps no file that is compiled with a precompiled header. linn uses no __TIME__.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${LINN_CCACHE})
  endif()
endif()
