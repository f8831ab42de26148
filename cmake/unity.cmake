# Source files of a target's folders compiled together: they share nearly all of their headers and templates, which take most of the time of a
# build. From nothing, the library's files outside of kernels/ so take a third of it. Left out are files whose own definitions would meet:
# those that Highway compiles once for each instruction set, and those with names of their own that others have too.
# -D LINN_UNITY=OFF compiles each file alone, which is the quicker way while one file changes again and again (preset dev), and shows an
# #include that is missing.
option(LINN_UNITY "Compile the library's files in groups" ON)

# linn_unity(TARGET FILES PER_GROUP SOURCE...): groups of so many files, each from one folder.
function(linn_unity target files_per_group)
  if(NOT LINN_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  foreach(source IN LISTS ARGN)
    get_filename_component(folder ${source} DIRECTORY)
    file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${folder})
    string(MAKE_C_IDENTIFIER ${folder} folder)
    math(EXPR count_${folder} "0${count_${folder}} + 1")
    math(EXPR group "(${count_${folder}} - 1) / ${files_per_group}")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder}_${group})
  endforeach()
endfunction()
